import { type CronRun, claimRunRow, type SqlDatabase, type SqlExecutor, type SqlFence } from 'drover';
import type { OrderStore } from './order-store.ts';

/** Orders of one transaction: it holds their rows, for which payments wait. */
const batchSize = 100;
/** Far longer ago than any tick that could still be made up for. */
const runsKeptMs = 7 * 24 * 3_600_000;
/** More than one, so that what has piled up becomes less. */
const forgottenAtOnce = 100;

export interface ExpireOrdersDeps {
  readonly database: SqlDatabase;
  readonly store: OrderStore;
  readonly fences: SqlFence;
  readonly runTable: string;
}

/**
 * Expires what was to be paid by the tick of this run; answers how many, or undefined when the run was done before. The row
 * of the run makes the tick take effect once, also where every instance runs it because Redis is away. The fence refuses a
 * run that was paused, and wakes up while a later one is at work. What a run leaves undone, because its host dies, is found
 * by the next.
 */
export async function expireOrders(run: CronRun, deps: ExpireOrdersDeps): Promise<number | undefined> {
  const { database, store, fences, runTable } = deps;
  const fence = { name: run.job, token: run.token };
  await fences.raise(database, fence);
  await forgetRuns(database, run, runTable);
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

/** Rows of runs long ago. Without its row such a run is refused all the same: the fence has seen the token of this one. */
async function forgetRuns(sql: SqlExecutor, { job, tick }: CronRun, table: string): Promise<void> {
  // The id of a run begins with `<job>@<tick>`, and ticks are written so that the earlier one sorts first.
  const ids = `SELECT run_id FROM ${table} WHERE run_id > $1 AND run_id < $2 ORDER BY run_id LIMIT $3`;
  const before = new Date(tick.getTime() - runsKeptMs).toISOString();
  await sql.query(`DELETE FROM ${table} WHERE run_id IN (${ids})`, [`${job}@`, `${job}@${before}`, forgottenAtOnce]);
}
