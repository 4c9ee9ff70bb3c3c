export type SqlDialect = 'postgres' | 'sqlite';

export type SqlValue = string | number | bigint | Buffer | Uint8Array | null;

export interface SqlResult {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** Rows that were returned, or written by a statement that returns none. */
  readonly rowCount: number;
}

/** Where statements run. Parameters are written `$1`, `$2` … in every dialect. */
export interface SqlExecutor {
  readonly dialect: SqlDialect;
  query(text: string, params?: readonly SqlValue[]): Promise<SqlResult>;
}

/** A database: statements of their own, and several as one. */
export interface SqlDatabase extends SqlExecutor {
  /**
   * Runs `body` in a transaction: commits when it resolves, rolls back when it rejects, and rejects with its error.
   * When the commit itself had no answer it rejects too, and it is not known whether the body took effect. Inside, use
   * `tx` alone: the database itself may have but one connection, and waits for the transaction to end.
   */
  transaction<T>(body: (tx: SqlExecutor) => Promise<T>): Promise<T>;
}

interface PgQueries {
  query(text: string, params?: unknown[]): Promise<{ rows: unknown[]; rowCount: number | null }>;
}

/** What is needed of a `pg.Pool`. */
export interface PgPoolLike extends PgQueries {
  connect(): Promise<PgPoolClientLike>;
}

interface PgPoolClientLike extends PgQueries {
  release(error?: Error | boolean): void;
  on(event: 'error', listener: (error: Error) => void): unknown;
  off(event: 'error', listener: (error: Error) => void): unknown;
}

/** What is needed of a `DatabaseSync` of node:sqlite, or of a `Database` of better-sqlite3. */
export interface SqliteLike {
  exec(text: string): unknown;
  prepare(text: string): SqliteStatementLike;
}

interface SqliteStatementLike {
  all(...params: SqlValue[]): unknown[];
  run(...params: SqlValue[]): { changes: number | bigint };
  /** better-sqlite3 refuses `all` on a statement that returns nothing; node:sqlite has `columns` to ask. */
  readonly reader?: boolean;
  columns?(): unknown[];
}

/** PostgreSQL by a pool: transactions run side by side, each on a connection of its own. */
export function fromPgPool(pool: PgPoolLike): SqlDatabase {
  return {
    dialect: 'postgres',
    query: (text, params) => queryPg(pool, text, params),
    async transaction(body) {
      const client = await pool.connect();
      let failure: Error | undefined;
      // While a client is out of the pool nobody else listens, and an unheard error would end the process. The statement in
      // progress rejects with it too.
      const onError = (error: Error) => {
        failure = error;
      };
      client.on('error', onError);
      try {
        return await inPgTransaction(client, body, onError);
      } finally {
        client.off('error', onError);
        client.release(failure);
      }
    },
  };
}

/** PostgreSQL by one connected client: statements and transactions wait for one another. */
export function fromPgClient(client: PgQueries): SqlDatabase {
  return {
    dialect: 'postgres',
    query: (text, params) => inTurn(client, () => queryPg(client, text, params)),
    transaction: (body) => inTurn(client, () => inPgTransaction(client, body)),
  };
}

/**
 * SQLite by one open handle: statements and transactions of the handle wait for one another. Other processes may have the
 * same file open (in WAL mode); a locked database is asked again, without blocking this process, for `busyMs`.
 */
export function fromSqlite(handle: SqliteLike, options: { readonly busyMs?: number } = {}): SqlDatabase {
  const { busyMs = defaultBusyMs } = options;
  return {
    dialect: 'sqlite',
    query: (text, params) => inTurn(handle, () => whileBusy(busyMs, () => querySqlite(handle, text, params))),
    transaction: (body) =>
      inTurn(handle, async () => {
        // IMMEDIATE takes the lock for writing now: one that is only upgraded later can fail after effects were computed.
        await whileBusy(busyMs, () => handle.exec('BEGIN IMMEDIATE'));
        try {
          const result = await body({
            dialect: 'sqlite',
            query: async (text, params) => querySqlite(handle, text, params),
          });
          await whileBusy(busyMs, () => handle.exec('COMMIT'));
          return result;
        } catch (error) {
          try {
            handle.exec('ROLLBACK');
          } catch {
            // SQLite has rolled back by itself.
          }
          throw error;
        }
      }),
  };
}

/** A writer in another process holds the lock for a few ms; longer than this it has stopped. */
const defaultBusyMs = 10_000;
/** A table name goes into statements as it is: an identifier, with its schema at most. */
const identifier = /^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$/;

/** @throws RangeError unless `name` is a plain identifier, which is what keeps it from being more than a name. */
export function checkTableName(name: string): string {
  if (!identifier.test(name)) throw new RangeError(`A table is named by letters, digits and _, got ${name}`);
  return name;
}

/** SQLSTATE of what PostgreSQL says when two create one thing at the same moment: key, relation or type is there already. */
const createdMeanwhile = new Set(['23505', '42P07', '42710']);

/**
 * Runs a `CREATE … IF NOT EXISTS` of the table or index `name`. On PostgreSQL that fails where another has created it since it
 * looked, and waits for all writers of the table, also where there is nothing to create. Not in a transaction.
 */
export async function createIfMissing(sql: SqlExecutor, name: string, statement: string): Promise<void> {
  if (sql.dialect === 'postgres') {
    const { rows } = await sql.query('SELECT to_regclass($1) IS NOT NULL AS present', [name]);
    if (rows[0]?.present === true) return;
  }
  try {
    await sql.query(statement);
  } catch (error) {
    if (!createdMeanwhile.has(String((error as { code?: unknown }).code))) throw error;
    await sql.query(statement);
  }
}

async function queryPg(client: PgQueries, text: string, params: readonly SqlValue[] = []): Promise<SqlResult> {
  const { rows, rowCount } = await client.query(text, [...params]);
  return { rows: rows as SqlResult['rows'], rowCount: rowCount ?? rows.length };
}

async function inPgTransaction<T>(
  client: PgQueries,
  body: (tx: SqlExecutor) => Promise<T>,
  onBroken: (error: Error) => void = () => {},
): Promise<T> {
  await client.query('BEGIN');
  try {
    const result = await body({ dialect: 'postgres', query: (text, params) => queryPg(client, text, params) });
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // The error of the body is the one that counts. A connection that cannot roll back is not to be used again; the server
    // rolls back when it goes.
    await client.query('ROLLBACK').catch(onBroken);
    throw error;
  }
}

const parametersAndText = /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\d+)/g;

function querySqlite(handle: SqliteLike, text: string, params: readonly SqlValue[] = []): SqlResult {
  const bound: SqlValue[] = [];
  const statement = prepare(
    handle,
    text.replace(parametersAndText, (found, number: string | undefined) => {
      if (number === undefined) return found;
      bound.push(params[Number(number) - 1] ?? null);
      return '?';
    }),
  );
  if (statement.reader ?? (statement.columns?.().length ?? 0) > 0) {
    const rows = statement.all(...bound) as SqlResult['rows'];
    return { rows, rowCount: rows.length };
  }
  return { rows: [], rowCount: Number(statement.run(...bound).changes) };
}

/** Compiling a statement costs more than running it. The limit holds the statements of a program, not texts made at run time. */
const maxPrepared = 200;
const prepared = new WeakMap<SqliteLike, Map<string, SqliteStatementLike>>();

function prepare(handle: SqliteLike, text: string): SqliteStatementLike {
  const known = prepared.get(handle) ?? new Map<string, SqliteStatementLike>();
  prepared.set(handle, known);
  let statement = known.get(text);
  if (statement === undefined) {
    statement = handle.prepare(text);
    if (known.size >= maxPrepared) known.clear();
    known.set(text, statement);
  }
  return statement;
}

const turns = new WeakMap<object, Promise<unknown>>();

function inTurn<T>(owner: object, work: () => Promise<T>): Promise<T> {
  const earlier = turns.get(owner) ?? Promise.resolve();
  const mine = earlier.then(work, work);
  turns.set(
    owner,
    mine.catch(() => {}),
  );
  return mine;
}

/** Bounds of the pause between two looks at a locked file, in ms. Random, so that processes do not ask in step. */
const minBusyPauseMs = 0.5;
const maxBusyPauseMs = 6;

async function whileBusy<T>(busyMs: number, work: () => T): Promise<T> {
  const giveUpAtMs = performance.now() + busyMs;
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || performance.now() >= giveUpAtMs) throw error;
    }
    const pauseMs = minBusyPauseMs + Math.random() * (maxBusyPauseMs - minBusyPauseMs);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

function isBusy(error: unknown): boolean {
  const { errcode, code } = error as { errcode?: number; code?: string };
  // SQLITE_BUSY is 5; its extended codes keep it in the low byte.
  return (errcode !== undefined && (errcode & 0xff) === 5) || (code?.startsWith('SQLITE_BUSY') ?? false);
}
