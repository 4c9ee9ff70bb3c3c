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

/** SQLite waits this long for another process of the host that writes. */
const busyTimeoutMs = 5_000;

export interface Database extends SqlDatabase {
  close(): Promise<void>;
}

/**
 * The database that DATABASE_URL names: `postgres://…`, or `sqlite:<file>`, which is for the instances of one host.
 * @throws Error when the URL is of another kind
 */
export function openDatabase(url = process.env.DATABASE_URL ?? 'sqlite:cloudphone.db'): Database {
  if (/^postgres(ql)?:/.test(url)) {
    const pool = new pg.Pool({ connectionString: url, max: 10 });
    // A connection that broke while nobody used it is replaced by the pool.
    pool.on('error', () => undefined);
    return { ...fromPgPool(pool), close: () => pool.end() };
  }
  if (!url.startsWith('sqlite:')) throw new Error('DATABASE_URL is postgres://… or sqlite:<file>');
  const file = url.slice('sqlite:'.length);
  mkdirSync(dirname(file), { recursive: true });
  const sqlite = new DatabaseSync(file);
  sqlite.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL`);
  return { ...fromSqlite(sqlite), close: async () => sqlite.close() };
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
