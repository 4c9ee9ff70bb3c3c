import { checkTableName, createIfMissing, type SqlExecutor } from '../sql.ts';

/**
 * Makes the effect of a run happen once, whatever Redis remembers: inserts the run's row, which is unique, in the
 * transaction in which the job writes. Answers whether the row is new; if not, the run took effect before, and the
 * transaction should change nothing. A transaction that does not commit takes its row back. The table grows by one row
 * per run; delete old rows as you like, but none that a run of the last days may meet.
 *
 * ```ts
 * await db.transaction(async (tx) => {
 *   if (!(await claimRunRow(tx, run.runId))) return;
 *   await tx.query('UPDATE orders SET state = $1 WHERE expires_at < $2', ['cancelled', run.tick.getTime()]);
 * });
 * ```
 */
export async function claimRunRow(tx: SqlExecutor, runId: string, table = cronRunTable): Promise<boolean> {
  const { rowCount } = await tx.query(
    `INSERT INTO ${checkTableName(table)} (run_id) VALUES ($1) ON CONFLICT (run_id) DO NOTHING`,
    [runId],
  );
  return rowCount === 1;
}

/** Makes the table of `claimRunRow` if there is none; the same statement in both dialects. */
export async function createRunTable(sql: SqlExecutor, table = cronRunTable): Promise<void> {
  await createIfMissing(sql, table, `CREATE TABLE IF NOT EXISTS ${checkTableName(table)} (run_id TEXT PRIMARY KEY)`);
}

export const cronRunTable = 'drover_cron_run';
