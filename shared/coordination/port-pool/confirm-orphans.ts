import { randomInt } from 'node:crypto';

import type { Coordination } from '../coordination.ts';
import { type AllocationRecord, parseRecord } from './allocation-record.ts';
import { canBind } from './can-bind.ts';
import { guardedBoot, portKeys } from './port-keys.ts';
import { findOrphans, reclaimAllocation } from './port-scripts.ts';
import { portsInUse, readListeners } from './read-listeners.ts';

export interface Orphan extends AllocationRecord {
  readonly id: string;
}

/** One look takes some ms; what is left comes with another one, because each begins somewhere else. */
const orphansPerLook = 100;
/** Three heartbeats; short enough that the devices of a dead service are seen to soon. */
export const defaultOwnerTtlMs = 15_000;

/** Allocations whose participant is dead, and how many participants live. Forgets dead participants that have none. */
export async function listOrphans(
  coordination: Pick<Coordination, 'redis' | 'prefix'>,
  host: string,
): Promise<{ live: number; orphans: Orphan[] }> {
  const keys = portKeys(coordination.prefix, host);
  const [live, ...pairs] = await findOrphans.run(
    coordination.redis,
    [keys.allocations, keys.participants],
    [orphansPerLook, randomInt(2 ** 31)],
  );
  const orphans: Orphan[] = [];
  for (let at = 0; at + 1 < pairs.length; at += 2) orphans.push({ id: pairs[at]!, ...parseRecord(pairs[at + 1]!) });
  return { live, orphans };
}

export interface ReclaimOptions {
  readonly host: string;
  readonly restMs: number;
  /**
   * After which silence a participant is dead: for so long nothing is reclaimed on a server that took over. Default 15 s, and
   * at least what participants of the host have said, so that who asks from outside need not know it.
   */
  readonly ownerTtlMs?: number;
  /** Refuses a caller whose term is over; `epochKey` holds the highest term known in this Redis. */
  readonly fence?: { readonly epochKey: string; readonly term: number };
}

/**
 * Takes back an orphan of which the host has confirmed that nobody listens, or that is gone for good with its host. Does
 * nothing when it was adopted, or its participant came back, since it was looked at.
 */
export function reclaimOrphan(
  coordination: Pick<Coordination, 'redis' | 'prefix' | 'guard'>,
  orphan: Pick<Orphan, 'id' | 'token'>,
  { host, restMs, ownerTtlMs = defaultOwnerTtlMs, fence }: ReclaimOptions,
): Promise<'reclaimed' | 'absent' | 'alive' | 'stale'> {
  const keys = portKeys(coordination.prefix, host);
  return reclaimAllocation.run(
    coordination.redis,
    [
      keys.allocations,
      keys.participants,
      keys.pools,
      keys.rest,
      fence?.epochKey ?? keys.allocations,
      guardedBoot(coordination, keys, keys.allocations),
    ],
    [orphan.id, orphan.token, restMs, fence?.term ?? 0, ownerTtlMs],
  );
}

/**
 * Looks at the orphans of this host, and reclaims those of which no port has a listener: neither in `/proc/net` nor by an
 * exclusive bind. An allocation goes back as a whole: where one of its ports is in use its service still runs. Protocol P5.
 */
export async function confirmOrphans(
  coordination: Pick<Coordination, 'redis' | 'prefix' | 'guard'>,
  options: ReclaimOptions & { readonly address: string; readonly isUdp: (pool: string) => boolean },
): Promise<Orphan[]> {
  const { orphans } = await listOrphans(coordination, options.host);
  if (orphans.length === 0) return [];
  const inUse = portsInUse(await readListeners(), options.address);
  const reclaimed: Orphan[] = [];
  for (const orphan of orphans) {
    if (!(await isUnused(orphan, inUse, options))) continue;
    if ((await reclaimOrphan(coordination, orphan, options)) === 'reclaimed') reclaimed.push(orphan);
  }
  return reclaimed;
}

async function isUnused(
  orphan: Orphan,
  inUse: ReadonlySet<number>,
  { address, isUdp }: { readonly address: string; readonly isUdp: (pool: string) => boolean },
): Promise<boolean> {
  for (const [pool, ports] of Object.entries(orphan.ports)) {
    for (const port of ports) {
      if (inUse.has(port) || !(await canBind(port, { address, udp: isUdp(pool) }))) return false;
    }
  }
  return true;
}
