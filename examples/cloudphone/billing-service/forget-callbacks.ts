import type { CallbackTable, CronRun } from 'drover';

/** Rows of one statement: it holds their locks, for which deliveries wait. */
const batchSize = 10_000;

/** Forgets callbacks that were recorded before an instant, all of them; answers how many. */
export async function forgetCallbacks(run: CronRun, table: CallbackTable, before: number): Promise<number> {
  let forgotten = 0;
  for (let count = batchSize; count === batchSize; forgotten += count) {
    run.assert();
    count = await table.prune(before, batchSize);
  }
  return forgotten;
}
