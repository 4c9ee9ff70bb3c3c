import { type CronRun, claimRunRow, type SqlDatabase, type SqlFence } from 'drover';
import type { OrderStore } from './order-store.ts';

/** Orders of one transaction: it holds their rows, for which payments wait. */
const batchSize = 100;

export interface ExpireOrdersDeps {
  readonly database: SqlDatabase;
  readonly store: OrderStore;
  readonly fences: SqlFence;
  readonly runTable: string;
}

/**
 * Expires what was to be paid by the tick of this run; answers how many, or undefined when the run was done before. The row of the run makes the tick take effect once,
 * also where every instance runs it because Redis is away. The fence refuses a run that was paused, and wakes up while a later
 * one is at work. What a run leaves undone, because its host dies, is found by the next.
 */
export async function expireOrders(run: CronRun, deps: ExpireOrdersDeps): Promise<number | undefined> {
  const { database, store, fences, runTable } = deps;
  const fence = { name: run.job, token: run.token };
  await fences.raise(database, fence);
  let expired = 0;
  for (let isFirst = true; ; isFirst = false) {
    run.assert();
    const count = await database.transaction(async (tx) => {
      await fences.check(tx, fence);
      if (isFirst && !(await claimRunRow(tx, run.runId, runTable))) return undefined;
      return await store.expire(tx, { before: run.tick.getTime(), limit: batchSize, by: run.runId });
    });
    if (count === undefined) return undefined;
    if (count === 0) return expired;
    expired += count;
  }
}
