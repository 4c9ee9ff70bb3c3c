import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fromPgPool, fromSqlite, type SqlDatabase, type SqlExecutor } from 'drover';
import {
  type Compilable,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
} from 'kysely';
import pg from 'pg';
import { Refusal } from './refusal.ts';
import { wholeNumber } from './whole-number.ts';

/**
 * PostgreSQL ends a transaction whose client says nothing for so long: that of a frozen process, or of a host that is
 * gone. It keeps its row locks until then, and by itself PostgreSQL would wait for ever.
 */
const idleInTransactionMs = 15_000;
/** Of one statement, waiting for locks included: more than the time above, so that who waits for a frozen one gets its turn. */
const statementTimeoutMs = 20_000;
/** For a connection of the pool, a new one included: then the request is answered with 503. */
const connectTimeoutMs = 10_000;
/** For one of the instances to change a new file of SQLite to write-ahead logging. */
const journalModeTimeoutMs = 10_000;
/** Nobody wakes it: who waits here waits for the time to pass. */
const pause = new Int32Array(new SharedArrayBuffer(4));
/** Instances times this stays below `max_connections` of PostgreSQL, which is 100 unless it was raised. */
const defaultPoolSize = '10';

export interface Database extends SqlDatabase {
  close(): Promise<void>;
}

/**
 * The database that DATABASE_URL names: `postgres://…`, or `sqlite:<file>`, which is for the instances of one host. A
 * BIGINT is a number in both.
 * @throws Error when the URL is of another kind
 */
export function openDatabase(url = process.env.DATABASE_URL ?? 'sqlite:cloudphone.db'): Database {
  if (/^postgres(ql)?:/.test(url)) return openPostgres(url);
  if (url.startsWith('sqlite:')) return openSqlite(url.slice('sqlite:'.length));
  throw new Error('DATABASE_URL is postgres://… or sqlite:<file>');
}

function openPostgres(connectionString: string): Database {
  const pool = new pg.Pool({
    connectionString,
    max: wholeNumber('DATABASE_POOL_SIZE', process.env.DATABASE_POOL_SIZE ?? defaultPoolSize),
    keepAlive: true,
    connectionTimeoutMillis: connectTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionMs,
    statement_timeout: statementTimeoutMs,
    types: {
      getTypeParser: (oid, format) =>
        oid === pg.types.builtins.INT8 ? toExactNumber : pg.types.getTypeParser(oid, format),
    },
  });
  // A connection that broke while nobody used it is replaced by the pool.
  pool.on('error', () => undefined);
  return { ...refusingWhileAway(fromPgPool(pool)), close: () => pool.end() };
}

function openSqlite(file: string): Database {
  mkdirSync(dirname(file), { recursive: true });
  // Nobody may block: `fromSqlite` asks again by itself.
  const sqlite = new DatabaseSync(file);
  writeAhead(sqlite);
  return { ...refusingWhileAway(fromSqlite(sqlite)), close: async () => sqlite.close() };
}

/**
 * Of the instances that start at once one changes the file. SQLite refuses the others meanwhile, and does not wait for its
 * `busy_timeout`: they have read the old mode, and who writes waits for readers to end.
 */
function writeAhead(sqlite: DatabaseSync): void {
  const giveUpAtMs = performance.now() + journalModeTimeoutMs;
  for (;;) {
    try {
      sqlite.exec('PRAGMA journal_mode = WAL');
      return;
    } catch (error) {
      if (!isAway(error) || performance.now() > giveUpAtMs) throw error;
      Atomics.wait(pause, 0, 0, 10 + Math.random() * 20);
    }
  }
}

/** pg gives a BIGINT as text, because not each of them is a number. Those of the platform are. */
function toExactNumber(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number)) throw new RangeError(`${text} is beyond what a number holds exactly`);
  return number;
}

/** Any number will do, as long as all who make tables in one database use the same. */
const tablesLock = 300_050_001;

/**
 * Runs those `CREATE TABLE|INDEX IF NOT EXISTS <name>` statements whose name is not there yet. Instances that start at the same
 * moment come one after the other: in PostgreSQL the statement fails when another one has made the table since it looked. And
 * it is asked first, since to look for an index this statement waits for all who write to its table, and holds up others.
 */
export async function createTables(database: SqlDatabase, statements: readonly string[]): Promise<void> {
  await database.transaction(async (tx) => {
    if (tx.dialect === 'postgres') await tx.query('SELECT pg_advisory_xact_lock($1)', [tablesLock]);
    for (const statement of statements) {
      if (tx.dialect === 'sqlite' || (await isMissing(tx, statement))) await tx.query(statement);
    }
  });
}

async function isMissing(tx: SqlExecutor, statement: string): Promise<boolean> {
  const [, name] = /IF NOT EXISTS (\w+)/.exec(statement) ?? [];
  const { rows } = await tx.query('SELECT to_regclass($1) IS NULL AS missing', [name ?? null]);
  return rows[0]!.missing === true;
}

/** SQLSTATE of PostgreSQL: no connection, shutting down, too many clients, ended while idle, lock or time was not to be had. */
const awayStates = /^(08...|57P0[1-5]|53...|25P03|55P03|57014|40001|40P01)$/;
const awayCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
]);
/** What pg says without a code. */
const awayMessages =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection)/;
/** A writer of another process did not end. Extended codes of SQLite keep this one in the low byte. */
const sqliteBusy = 5;

/** A database that starts anew is back within seconds. */
const retryAfterSeconds = 5;

/** A request that meets a database which is away, or too busy, is answered with 503: what it wanted may be tried again. */
function refusingWhileAway(database: SqlDatabase): SqlDatabase {
  async function refuse<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (!isAway(error)) throw error;
      console.error(`The database is away: ${(error as Error).message}`);
      const refusal = new Refusal(503, 'DATABASE_AWAY', 'The database gives no answer. Try again.', {
        retryAfterSeconds,
      });
      throw Object.assign(refusal, { cause: error });
    }
  }
  return {
    dialect: database.dialect,
    query: (text, params) => refuse(database.query(text, params)),
    transaction: (body) => refuse(database.transaction(body)),
  };
}

function isAway(error: unknown): boolean {
  const { code, message, errcode } = error as { code?: unknown; message?: unknown; errcode?: unknown };
  if (typeof errcode === 'number') return (errcode & 0xff) === sqliteBusy;
  if (typeof code === 'string') return awayStates.test(code) || awayCodes.has(code);
  return typeof message === 'string' && awayMessages.test(message);
}

/**
 * A query builder that only writes the text: statements run where the caller says, so that one transaction can hold the
 * service's own rows and those of the SDK. Both databases understand what it writes: keep to what they share.
 */
export function queries<Tables>(): Kysely<Tables> {
  return new Kysely<Tables>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (database) => new PostgresIntrospector(database),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  });
}

/** Runs a statement of the query builder. */
export async function run<Row>(
  on: SqlExecutor,
  statement: Compilable<Row>,
): Promise<{ rows: Row[]; rowCount: number }> {
  const { sql, parameters } = statement.compile();
  const { rows, rowCount } = await on.query(sql, parameters as (string | number | null)[]);
  return { rows: rows as Row[], rowCount };
}
