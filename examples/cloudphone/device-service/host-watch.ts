import { setTimeout as sleep } from 'node:timers/promises';
import { createSqlFence, type Drover } from 'drover';
import type { Database } from '../shared/database.ts';
import type { DeviceTable } from './device-table.ts';

export interface HostWatchOptions {
  readonly drover: Drover;
  readonly database: Database;
  readonly table: DeviceTable;
  /** Longer than a phone goes on alone: a host that is only cut off from us has ended its phones by then. */
  readonly lostMs: number;
}

const election = 'device-service:hosts';
/** So many looks within the time, so that one lost answer does not decide. */
const looksPerLostTime = 20;

/**
 * Declares the devices of a host lost when none of its instances has been present for `lostMs`, without a break, as one
 * elected instance sees it by its monotonic clock. A look without an answer, and a new leader, begin to count anew: a host is
 * rather given up late than early. Its ports are no business of ours: they come back when the host says so, or is given up.
 */
export async function watchHosts(options: HostWatchOptions) {
  const { drover, database, table, lostMs } = options;
  const fences = createSqlFence({ dialect: database.dialect });
  await fences.createTable(database);
  const presence = drover.presence('device-service:hosts');
  await presence.join(drover.host);

  async function listHosts(): Promise<string[]> {
    return [...new Set((await presence.list()).map(({ member }) => member))].sort();
  }

  async function watch(term: number, signal: AbortSignal): Promise<void> {
    const fence = { name: election, token: term };
    await fences.raise(database, fence);
    const absentSinceMs = new Map<string, number>();
    while (!signal.aborted) {
      try {
        const present = new Set(await listHosts());
        const nowMs = performance.now();
        for (const host of await table.listHosts()) {
          const sinceMs = absentSinceMs.get(host) ?? nowMs;
          if (present.has(host)) absentSinceMs.delete(host);
          else if (nowMs - sinceMs < lostMs) absentSinceMs.set(host, sinceMs);
          else {
            const count = await table.markLost(host, `host ${host} is gone`, (tx) => fences.check(tx, fence));
            // Should it come back, and go again, its time begins anew.
            absentSinceMs.delete(host);
            console.log(`Host ${host} is gone: ${count} devices lost`);
          }
        }
        await table.forgetGone();
      } catch (error) {
        absentSinceMs.clear();
        if (!signal.aborted) console.log(`A look at the hosts failed: ${(error as Error).message}`);
      }
      await sleep(lostMs / looksPerLostTime, undefined, { signal }).catch(() => undefined);
    }
  }

  drover.election(election).campaign({ onElected: watch });
  return { listHosts };
}

export type HostWatch = Awaited<ReturnType<typeof watchHosts>>;
