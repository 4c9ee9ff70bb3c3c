import type { Redis } from 'ioredis';

import { parseRecord } from './allocation-record.ts';
import { portKeys } from './port-keys.ts';
import { readHost } from './port-scripts.ts';

export interface PoolUsage {
  readonly host: string;
  readonly pool: string;
  readonly from: number;
  readonly to: number;
  /** free + leased + quarantined + foreign + orphaned; ports outside a range that was narrowed are not counted. */
  readonly size: number;
  readonly free: number;
  readonly leased: number;
  readonly quarantined: number;
  readonly foreign: number;
  readonly orphaned: number;
  /** When the next quarantined or foreign port becomes free; null if there is none. */
  readonly nextFreeInMs: number | null;
}

export interface PortView {
  readonly host: string;
  readonly pool: string;
  readonly port: number;
  readonly state: 'leased' | 'quarantined' | 'foreign' | 'orphaned';
  readonly allocationId: string | null;
  readonly owner: string | null;
  readonly identity: string | null;
  readonly ageMs: number | null;
  /** How much longer it stays so by itself; null where only a deed changes it. */
  readonly untilMs: number | null;
}

/** All about the ports of one host, as it was at one instant. Counts are taken from the records, port by port. */
export async function readPorts(
  redis: Redis,
  prefix: string,
  host: string,
): Promise<{ usage: PoolUsage[]; ports: PortView[] }> {
  const keys = portKeys(prefix, host);
  const read = [keys.pools, keys.participants, keys.allocations, keys.rest, keys.foreign] as const;
  const [nowMs, pools, participants, allocations] = await readHost.run(redis, [...read], []);
  const aliveUntil = new Map(pairs(participants).map(([name, until]) => [name, Number(until)]));
  const ports: PortView[] = [];

  for (const [id, text] of pairs(allocations)) {
    const record = parseRecord(text);
    const untilAt = aliveUntil.get(record.participant) ?? 0;
    const state = untilAt > nowMs ? 'leased' : 'orphaned';
    for (const [pool, list] of Object.entries(record.ports)) {
      for (const port of list) {
        ports.push({
          host,
          pool,
          port,
          state,
          allocationId: id,
          owner: record.owner === '' ? null : record.owner,
          identity: record.identity,
          ageMs: Math.max(0, nowMs - record.takenAt),
          untilMs: state === 'leased' ? untilAt - nowMs : null,
        });
      }
    }
  }
  const usage = pools.map(([pool, range, resting, notYet, foreign]) => {
    const [from = 0, to = 0] = range.split(' ').map(Number);
    const strangers = new Set(pairs(foreign).map(([port]) => port));
    const count = { leased: 0, orphaned: 0, quarantined: 0, foreign: 0 };
    for (const view of ports) {
      if (view.pool === pool && view.port >= from && view.port <= to) count[view.state]++;
    }
    let nextFreeInMs: number | null = null;
    for (const [port, until] of pairs(notYet)) {
      const untilMs = Number(until) - nowMs;
      const state = strangers.has(port) ? 'foreign' : 'quarantined';
      count[state]++;
      nextFreeInMs = Math.min(nextFreeInMs ?? untilMs, untilMs);
      const nobody = { allocationId: null, owner: null, identity: null, ageMs: null };
      ports.push({ host, pool, port: Number(port), state, ...nobody, untilMs });
    }
    const free = resting - count.quarantined - count.foreign;
    return { host, pool, from, to, size: to - from + 1, free, ...count, nextFreeInMs };
  });
  return { usage, ports };
}

/** Hosts that have, or once had, pools here. */
export function listPortHosts(redis: Redis, prefix: string): Promise<string[]> {
  return redis.smembers(portKeys(prefix, '').hosts);
}

function pairs(flat: readonly string[]): [string, string][] {
  const found: [string, string][] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) found.push([flat[at]!, flat[at + 1]!]);
  return found;
}
