import { failpoint } from '../../runtime/failpoint.ts';
import { checkTableName, createIfMissing, type SqlDatabase, type SqlExecutor } from '../sql.ts';

/** Where callbacks are recorded in the same transaction as their effect. */
export interface CallbackTable {
  /**
   * In one transaction: records the callback, runs `handle`, stores the answer that it gives. When the callback is recorded
   * already, by a transaction that has committed or is about to (it is waited for), `handle` does not run. Rejects with the
   * error of `handle`, all rolled back. When the commit had no answer it rejects, and the next call finds out.
   */
  process(call: RecordedCall, handle: (tx: SqlExecutor) => Promise<string>): Promise<TableOutcome>;
  /** Creates table and index where they are not there. */
  create(): Promise<void>;
  /**
   * Forgets callbacks recorded before an instant (ms since 1970), at most `limit` of them; answers how many. Keep them for as
   * long as a sender may repeat: a callback that is forgotten takes effect again.
   */
  prune(recordedBefore: number, limit?: number): Promise<number>;
}

export interface RecordedCall {
  readonly scope: string;
  readonly key: string;
  /** SHA-256 of the body, hexadecimal. */
  readonly hash: string;
  /** Wall clock in ms, for `prune`. */
  readonly atMs: number;
}

export type TableOutcome =
  | { readonly kind: 'processed' | 'replayed'; readonly answer: string }
  | {
      readonly kind: 'mismatch';
      readonly answer: string /** Of the body that was processed. */;
      readonly hash: string;
    };

export interface SqlCallbackTableOptions {
  readonly database: SqlDatabase;
  /** Default `drover_callbacks`; an identifier, with its schema if need be. */
  readonly table?: string;
}

/** Of one statement: a transaction that deletes more holds its locks for too long. */
const defaultPruneLimit = 10_000;

/** Callbacks in a table of PostgreSQL or SQLite, unique by scope and key. The row is the truth; Redis only spares work. */
export function createSqlCallbackTable(options: SqlCallbackTableOptions): CallbackTable {
  const { database } = options;
  const table = checkTableName(options.table ?? 'drover_callbacks');
  const insert = `INSERT INTO ${table} (scope, callback_key, body_hash, created_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (scope, callback_key) DO NOTHING`;
  const select = `SELECT body_hash, answer FROM ${table} WHERE scope = $1 AND callback_key = $2`;
  const update = `UPDATE ${table} SET answer = $3 WHERE scope = $1 AND callback_key = $2`;
  const prune = `DELETE FROM ${table} WHERE (scope, callback_key) IN
    (SELECT scope, callback_key FROM ${table} WHERE created_at < $1 ORDER BY created_at LIMIT $2)`;

  return {
    async process({ scope, key, hash, atMs }, handle) {
      const outcome = await database.transaction<TableOutcome>(async (tx) => {
        const inserted = await tx.query(insert, [scope, key, hash, atMs]);
        failpoint('callback.inserted');
        if (inserted.rowCount === 0) {
          const { rows } = await tx.query(select, [scope, key]);
          const row = rows[0];
          if (row === undefined) throw new Error(`The row of callback ${scope} was pruned while it was read`);
          const answer = String(row.answer);
          const storedHash = String(row.body_hash);
          return storedHash === hash ? { kind: 'replayed', answer } : { kind: 'mismatch', answer, hash: storedHash };
        }
        const answer = await handle(tx);
        failpoint('callback.handled');
        await tx.query(update, [scope, key, answer]);
        failpoint('callback.beforeCommit');
        return { kind: 'processed', answer };
      });
      failpoint('callback.committed');
      return outcome;
    },
    async create() {
      await createIfMissing(
        database,
        table,
        `CREATE TABLE IF NOT EXISTS ${table} (
        scope TEXT NOT NULL, callback_key TEXT NOT NULL, body_hash TEXT NOT NULL, answer TEXT,
        created_at BIGINT NOT NULL, PRIMARY KEY (scope, callback_key))`,
      );
      const index = `${table.slice(table.indexOf('.') + 1)}_created_at`;
      await createIfMissing(
        database,
        `${table}_created_at`,
        `CREATE INDEX IF NOT EXISTS ${index} ON ${table} (created_at)`,
      );
    },
    async prune(recordedBefore, limit = defaultPruneLimit) {
      return (await database.query(prune, [recordedBefore, limit])).rowCount;
    },
  };
}
