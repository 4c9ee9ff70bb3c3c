import { randomUUID } from 'node:crypto';

import { DroverError, isDroverError } from '../../contracts/drover-error.ts';
import { childAbort } from '../../runtime/child-abort.ts';
import type { Coordination } from '../coordination.ts';
import { trustedMs } from '../lease/hold.ts';
import { formatRecord, type PortsByPool } from './allocation-record.ts';
import { canBind } from './can-bind.ts';
import { checkPools, checkRequest } from './check-request.ts';
import { confirmOrphans, defaultOwnerTtlMs } from './confirm-orphans.ts';
import { createPortAllocation, type HeldPorts, type PortAllocation } from './port-allocation.ts';
import { portKeys } from './port-keys.ts';
import { abandonAllocation, findHeld, restoreAllocation } from './port-scripts.ts';
import { createPortStore, type TakenPorts } from './port-store.ts';
import { type PoolUsage, type PortView, readPorts } from './read-ports.ts';

export interface PortPoolsOptions {
  /** One network namespace: all that live there see each other's listeners. */
  readonly host: string;
  /** Both ends included. `udp`: the bind check also looks at datagrams. */
  readonly pools: Readonly<Record<string, { readonly from: number; readonly to: number; readonly udp?: boolean }>>;
  /** For how long a port rests after its release, so that stale routes do not meet a new service. Default 60 s. */
  readonly quarantineMs?: number;
  /** Without a word for so long a participant is dead, and its ports are orphans. Default 15 s; the same for all of a host. */
  readonly ownerTtlMs?: number;
  /** Where the services listen: `0.0.0.0` (default), `::`, or one address. */
  readonly bindAddress?: string;
  /** Default true. Without it a port that a stranger has may be given. */
  readonly checksBind?: boolean;
}

export interface AllocateOptions {
  /** The same again has the same ports, also after a reply was lost. Default: a new one. */
  readonly requestId?: string;
  /** For whom, such as a device. */
  readonly owner?: string;
  /** The owner gets the ports that it had last, where nobody else had them since. */
  readonly sticky?: boolean;
  readonly signal?: AbortSignal;
}

export interface PortPools {
  readonly host: string;
  /**
   * Takes ports of one or more pools: all, or none. Nobody else listens on them at that moment.
   * @throws DroverError POOL_NOT_FOUND, PORTS_EXHAUSTED, ARGUMENT_INVALID, STORE_UNREACHABLE
   */
  allocate(counts: Readonly<Record<string, number>>, options?: AllocateOptions): Promise<PortAllocation>;
  /**
   * Takes over what a dead participant left, with a higher token; waits up to `ownerTtlMs` for it to count as dead.
   * @throws DroverError ALLOCATION_NOT_FOUND
   */
  adopt(which: { id: string } | { owner: string }, options?: { signal?: AbortSignal }): Promise<PortAllocation>;
  usage(): Promise<PoolUsage[]>;
  /** Ports that are not free. */
  list(): Promise<PortView[]>;
  /** Leaves: what is not released becomes orphaned at once, and is free only when nobody listens any more. Never throws. */
  close(): Promise<void>;
}

export type { PortAllocation };

/** A Redis that has not answered by then is away: the caller decides. */
const giveUpMs = 5_000;
const retryPauseMs = 50;
/** Replicas on the same network acknowledge in milliseconds; the connection waits meanwhile. */
const maxReplicaMs = 1_000;
/** So many strangers in one allocation mean that the range belongs to somebody else. */
const maxReplacements = 100;

/**
 * Joins the ports of a host: declares its pools, keeps all ports of this participant with one heartbeat, and confirms the
 * orphans of others on this host. Ports of a process that died stay taken while anything listens on them. Protocol P5.
 * @throws DroverError POOL_CONFLICT, ARGUMENT_INVALID, STORE_UNREACHABLE
 */
export async function createPortPools(coordination: Coordination, options: PortPoolsOptions): Promise<PortPools> {
  const { host, pools, quarantineMs = 60_000, ownerTtlMs = defaultOwnerTtlMs, bindAddress = '0.0.0.0' } = options;
  const { checksBind = true } = options;
  checkPools({ host, pools: pools as Record<string, { from: number; to: number }>, quarantineMs, ownerTtlMs });
  const { redis, prefix, identity, clock, logger, minReplicas } = coordination;
  const participant = randomUUID();
  const store = createPortStore(coordination, host, ownerTtlMs);
  const keys = portKeys(prefix, host);
  const left = childAbort(coordination.signal);
  const held = new Map<string, HeldPorts>();
  const pending = new Map<string, Promise<PortAllocation>>();
  /** Id → token, or null where the reply with it was lost: to be given back when Redis answers again. */
  const toRelease = new Map<string, number | null>();
  let trustedUntilMs = 0;
  let mustLook = false;
  let adopting = 0;

  const isUdp = (pool: string) => pools[pool]?.udp === true;
  const onReady = () => {
    // The server may be another now, or have lost its last writes.
    mustLook = true;
  };
  redis.on('ready', onReady);

  /** Repeats while Redis does not answer; `act` must be idempotent. */
  async function persist<T>(act: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const giveUpAtMs = clock.monotonicMs() + giveUpMs;
    for (;;) {
      signal?.throwIfAborted();
      if (left.signal.aborted) throw new DroverError('LEASE_LOST', `The ports of host ${host} were closed`);
      try {
        return await act();
      } catch (error) {
        if (isDroverError(error)) throw error;
        if (clock.monotonicMs() >= giveUpAtMs || left.signal.aborted) {
          const message = `Redis did not answer about the ports of host ${host} for ${giveUpMs} ms. Try again.`;
          throw new DroverError('STORE_UNREACHABLE', message, { cause: error });
        }
      }
      await clock.sleep(retryPauseMs, signal ?? left.signal);
    }
  }

  /** Like `persist`, and declares the pools anew where Redis does not know this participant. */
  async function asParticipant<T>(act: () => Promise<T | null>, signal?: AbortSignal): Promise<T> {
    return persist(async () => {
      const answer = await act();
      if (answer !== null) return answer;
      await declare(true);
      const again = await act();
      if (again === null) throw new Error('the participant was late twice');
      return again;
    }, signal);
  }

  /** Waits while a server that took over gives nothing out, or while the participant that has it lives. */
  async function whenGiven(act: () => Promise<TakenPorts | number>, signal?: AbortSignal): Promise<TakenPorts> {
    for (;;) {
      const answer = await act();
      if (typeof answer !== 'number') return answer;
      await clock.sleep(Math.min(answer + 1, ownerTtlMs), signal ?? left.signal);
    }
  }

  /** What too few replicas have, a failover could give to somebody else. @throws DroverError STORE_UNREACHABLE */
  async function requireReplicas(): Promise<void> {
    if (minReplicas === 0) return;
    const replicas = await redis.wait(minReplicas, Math.min(maxReplicaMs, Math.ceil(ownerTtlMs / 6))).catch(() => 0);
    if (replicas >= minReplicas) return;
    const message = `Only ${replicas} of ${minReplicas} replicas know of the ports of host ${host}. Try again.`;
    const details = { host, reason: 'replicas', replicas, minReplicas };
    throw new DroverError('STORE_UNREACHABLE', message, { details });
  }

  async function declare(onlyRepeated: boolean): Promise<void> {
    const sentAtMs = clock.monotonicMs();
    await store.declare(participant, pools, onlyRepeated);
    trustedUntilMs = sentAtMs + trustedMs(ownerTtlMs);
    mustLook = true;
  }

  function keepHeld(taken: TakenPorts): PortAllocation {
    const { allocation, end } = createPortAllocation({
      ...{ host, taken },
      isTrusted: () => clock.monotonicMs() < trustedUntilMs,
      async release(itself) {
        if (held.get(taken.id)?.allocation !== itself) return;
        lose('closed');
        await giveBack(taken.id, taken.token);
      },
    });
    const lose = (why: string) => {
      if (held.delete(taken.id)) end(why);
    };
    held.set(taken.id, { taken, takenAt: clock.nowMs(), allocation, lose });
    return allocation;
  }

  async function giveBack(id: string, token: number | null, restMs = quarantineMs): Promise<void> {
    try {
      await store.release({ id, token, participant, restMs });
      toRelease.delete(id);
    } catch (error) {
      // A caller that has asked again by now wants them.
      if (!pending.has(id) && !held.has(id)) toRelease.set(id, token);
      logger.debug('Ports are not given back yet', { host, id, error });
    }
  }

  /** Ports of an allocation that somebody else has. */
  async function findForeign(ports: PortsByPool): Promise<PortsByPool | null> {
    const foreign: Record<string, number[]> = {};
    for (const [pool, list] of Object.entries(ports)) {
      for (const port of list) {
        if (await canBind(port, { address: bindAddress, udp: isUdp(pool) })) continue;
        foreign[pool] = [...(foreign[pool] ?? []), port];
      }
    }
    return Object.keys(foreign).length === 0 ? null : foreign;
  }

  async function take(requestId: string, counts: Readonly<Record<string, number>>, more: AllocateOptions) {
    const { owner = '', sticky = false, signal } = more;
    const request = { participant, identity, requestId, counts, owner, isSticky: sticky && owner !== '' };
    toRelease.delete(requestId);
    try {
      let taken = await whenGiven(() => asParticipant(() => store.allocate(request), signal), signal);
      for (let round = 0; checksBind; round++) {
        const foreign = await findForeign(taken.ports);
        if (foreign === null) break;
        if (round >= maxReplacements) throw new Error(`${maxReplacements} ports in a row were taken by others`);
        const current = taken;
        taken = await whenGiven(async () => {
          const next = await persist(() => store.replace(current, foreign), signal);
          if (next !== null) return next;
          throw new DroverError('LEASE_LOST', `Allocation ${requestId} was lost while it was made`);
        }, signal);
      }
      await requireReplicas();
      signal?.throwIfAborted();
      return keepHeld(taken);
    } catch (error) {
      // Some of these have taken nothing; where it is not known, releasing is harmless.
      const tookNothing = isDroverError(error) && error.code !== 'STORE_UNREACHABLE' && error.code !== 'LEASE_LOST';
      // Nobody was told of these ports, so none of them has to rest.
      if (!tookNothing) void giveBack(requestId, null, 0);
      throw error;
    }
  }

  /** After this participant was late, or Redis may have lost data: which allocations are still ours? */
  async function lookAtHeld(): Promise<void> {
    mustLook = false;
    try {
      for (const { taken, takenAt, lose } of [...held.values()]) {
        const { id, token, ports, owner, sticky } = taken;
        const record = formatRecord({ token, participant, takenAt, ports, sticky, identity, owner });
        const args = [id, token, participant, record] as const;
        const answer = await restoreAllocation.run(redis, [keys.allocations, keys.rest], [...args]);
        // One that was released while the question was under way must not come back by it.
        if (answer === 'restored' && !held.has(id)) toRelease.set(id, token);
        if (answer === 'lost') lose('taken');
      }
      await abandonUnknown();
    } catch (error) {
      mustLook = true;
      throw error;
    }
  }

  /** Allocations that are ours for Redis alone: an adoption without a reply, or a release that a failover has undone. */
  async function abandonUnknown(): Promise<void> {
    const own = await findHeld.run(redis, [keys.allocations], [participant]);
    for (let at = 0; at + 1 < own.length; at += 2) {
      const [id, token] = [own[at]!, own[at + 1]!];
      if (held.has(id) || pending.has(id) || toRelease.has(id)) continue;
      if (adopting > 0) mustLook = true;
      else await abandonAllocation.run(redis, [keys.allocations, keys.participants], [id, token, participant]);
    }
  }

  async function beat(): Promise<void> {
    const sentAtMs = clock.monotonicMs();
    const { state, dead } = await store.keep(participant, ownerTtlMs);
    await requireReplicas();
    if (state === 'gone') await declare(true);
    else if (state === 'kept') trustedUntilMs = sentAtMs + trustedMs(ownerTtlMs);
    if (mustLook || state !== 'kept') await lookAtHeld();
    trustedUntilMs = sentAtMs + trustedMs(ownerTtlMs);
    for (const [id, token] of [...toRelease]) await giveBack(id, token);
    if (dead === 0) return;
    const reclaimed = await confirmOrphans(coordination, {
      ...{ host, restMs: quarantineMs, ownerTtlMs, address: bindAddress, isUdp },
    });
    for (const { id, owner, ports } of reclaimed)
      logger.info('Reclaimed ports without a listener', { host, id, owner, ports });
  }

  async function keepAlive(): Promise<void> {
    while (!left.signal.aborted) {
      await clock.sleep(ownerTtlMs / 3, left.signal);
      if (left.signal.aborted) return;
      try {
        await beat();
      } catch (error) {
        if (!left.signal.aborted) logger.debug('A heartbeat of ports had no answer', { host, error });
      }
    }
  }

  try {
    await persist(() => declare(false));
  } catch (error) {
    redis.off('ready', onReady);
    left.abort();
    throw error;
  }
  mustLook = false;
  const beating = keepAlive().finally(() => redis.off('ready', onReady));
  let closed: Promise<void> | undefined;

  return {
    host,
    allocate(counts, more = {}) {
      const requestId = more.requestId ?? randomUUID();
      const known = held.get(requestId)?.allocation ?? pending.get(requestId);
      if (known !== undefined) return Promise.resolve(known);
      const taking = (async () => {
        checkRequest({ counts: { ...counts }, requestId, owner: more.owner ?? '' });
        return take(requestId, counts, more);
      })().finally(() => pending.delete(requestId));
      pending.set(requestId, taking);
      return taking;
    },
    async adopt(which, { signal } = {}) {
      adopting++;
      try {
        const ask = () => asParticipant(() => store.adopt(which, participant, identity), signal);
        const taken = await whenGiven(ask, signal);
        await requireReplicas();
        return held.get(taken.id)?.allocation ?? keepHeld(taken);
      } catch (error) {
        // It may be ours without anybody knowing.
        mustLook = true;
        throw error;
      } finally {
        adopting--;
      }
    },
    async usage() {
      return (await readPorts(redis, prefix, host)).usage;
    },
    async list() {
      return (await readPorts(redis, prefix, host)).ports;
    },
    close() {
      closed ??= (async () => {
        left.abort();
        await beating;
        try {
          await store.keep(participant, 0);
        } catch (error) {
          logger.debug('The ports of this process become orphans later', { host, error });
        }
        for (const { lose } of [...held.values()]) lose('closed');
      })();
      return closed;
    },
  };
}
