import { DroverError } from '../../contracts/drover-error.ts';
import { checkTableName, createIfMissing, type SqlDialect, type SqlExecutor } from '../sql.ts';
import type { FenceStore } from './fence-store.ts';
import { checkFenceToken, type FenceToken, fenceStale } from './fence-token.ts';

export interface SqlFenceOptions {
  readonly dialect: SqlDialect;
  /** With its schema, if any. Default `drover_fences`. */
  readonly table?: string;
}

/**
 * Fences in the database that the effects go to: protocol P2. The table has a row for each name, with the highest token
 * that was seen. What holds: once `raise` of a token has returned, no transaction that calls `check` with a lower one
 * can commit an effect, however long its holder was paused; also after a crash of any of them, and of Redis.
 */
export interface SqlFence {
  /** The statements, for those who run them by other means; `$1` is the name, `$2` the token. */
  readonly statements: Readonly<Record<'createTable' | 'raise' | 'check' | 'readHighest' | 'readHighestOfAll', string>>;
  /** Makes the table unless it is there. Safe to call at each start, by several at once. */
  createTable(sql: SqlExecutor): Promise<void>;
  /**
   * A new holder's first act: from here on lower tokens are refused. Waits for transactions that have checked a lower
   * one; the same token again does nothing. Best on its own, not in a transaction with effects.
   * @throws DroverError FENCE_STALE when a higher token was seen
   */
  raise(sql: SqlExecutor, fence: FenceToken): Promise<void>;
  /**
   * To be called in each transaction that has effects, with the executor of that transaction: the row stays locked
   * against later holders until it ends. A token that is higher than what was seen is raised on the way.
   * @throws DroverError FENCE_STALE when a higher token was seen: let the transaction roll back
   */
  check(tx: SqlExecutor, fence: FenceToken): Promise<void>;
  /** The highest token seen of `name`, or of all names together; null when there is none. */
  readHighest(sql: SqlExecutor, name?: string): Promise<number | null>;
  /** The same rows as a `FenceStore`, for the HTTP middlewares. */
  toStore(sql: SqlExecutor): FenceStore;
}

export function createSqlFence(options: SqlFenceOptions): SqlFence {
  const { dialect } = options;
  const table = checkTableName(options.table ?? 'drover_fences');
  const statements = {
    createTable: `CREATE TABLE IF NOT EXISTS ${table} (name TEXT PRIMARY KEY, token BIGINT NOT NULL)`,
    raise:
      `INSERT INTO ${table} AS seen (name, token) VALUES ($1, $2) ` +
      'ON CONFLICT (name) DO UPDATE SET token = excluded.token WHERE seen.token <= excluded.token',
    // A lower row is not locked here, so two transactions of a new holder cannot wait for each other's share of it.
    check: `SELECT token FROM ${table} WHERE name = $1 AND token >= $2${dialect === 'postgres' ? ' FOR SHARE' : ''}`,
    readHighest: `SELECT token FROM ${table} WHERE name = $1`,
    readHighestOfAll: `SELECT max(token) AS token FROM ${table}`,
  } as const;

  /** False when a higher token was seen. */
  async function raise(sql: SqlExecutor, fence: FenceToken): Promise<boolean> {
    checkFenceToken(fence);
    const { rowCount } = await sql.query(statements.raise, [fence.name, fence.token]);
    return rowCount === 1;
  }

  async function readHighest(sql: SqlExecutor, name?: string): Promise<number | null> {
    const { rows } =
      name === undefined
        ? await sql.query(statements.readHighestOfAll)
        : await sql.query(statements.readHighest, [name]);
    return rows[0] === undefined ? null : toToken(rows[0].token);
  }

  async function refuse(sql: SqlExecutor, fence: FenceToken): Promise<never> {
    throw fenceStale(fence, (await readHighest(sql, fence.name)) ?? undefined);
  }

  return {
    statements,
    createTable: (sql) => createIfMissing(sql, table, statements.createTable),
    async raise(sql, fence) {
      if (!(await raise(sql, fence))) await refuse(sql, fence);
    },
    async check(tx, fence) {
      checkFenceToken(fence);
      const { rows } = await tx.query(statements.check, [fence.name, fence.token]);
      const seen = rows[0] === undefined ? null : toToken(rows[0].token);
      if (seen === fence.token) return;
      if (seen !== null) throw fenceStale(fence, seen);
      if (!(await raise(tx, fence))) await refuse(tx, fence);
    },
    readHighest,
    toStore: (sql) => ({ raise: (fence) => raise(sql, fence) }),
  };
}

export interface RowGuard {
  /** For the SET of an UPDATE, or the columns of an upsert. */
  readonly set: string;
  /** For its WHERE, beside what finds the row. */
  readonly where: string;
}

/**
 * A fence of each row instead of each name: `UPDATE orders SET state = $1, ${guard.set} WHERE id = $2 AND ${guard.where}`
 * with the token as parameter `$<parameter>`. No row written means that the row is not there or a later holder wrote it.
 * Its column is a BIGINT that may be null; unlike `check` it stops nobody before the later holder has written this row.
 * @throws RangeError for a column that is no plain identifier
 */
export function guardRow(options: { readonly parameter: number; readonly column?: string }): RowGuard {
  const { parameter, column = 'fence' } = options;
  checkTableName(column);
  if (!Number.isInteger(parameter) || parameter < 1) throw new RangeError('Parameters are numbered from 1');
  return { set: `${column} = $${parameter}`, where: `(${column} IS NULL OR ${column} <= $${parameter})` };
}

/** pg gives a BIGINT as a string, better-sqlite3 perhaps as a bigint. A token beyond 2^53 was not given out by us. */
function toToken(value: unknown): number | null {
  if (value === null || value === undefined) return null;
  const token = Number(value);
  if (Number.isSafeInteger(token)) return token;
  throw new DroverError('ARGUMENT_INVALID', `The table of fences holds ${String(value)}, which is no token.`, {
    issues: [{ path: 'token', reason: 'is no fencing token', allowed: 'an integer up to 2^53 - 1' }],
  });
}
