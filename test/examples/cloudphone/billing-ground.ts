import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fromPgClient, fromSqlite, type SqlExecutor } from '../../../sdk/index.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { startPostgres } from '../../support/postgres.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import type { RunningExample } from '../run-example.ts';
import { type Ground, openGround } from './open-ground.ts';

export type Dialect = 'postgres' | 'sqlite';

/** A database of one of the two kinds, for the instances of billing-service, and a look into it for the test. */
export interface BillingGround extends Ground {
  readonly databaseUrl: string;
  readonly sql: SqlExecutor;
  bill(host: string, environment?: Readonly<Record<string, string>>, slot?: number): Promise<RunningExample>;
}

export async function openBillingGround(t: Lifetime, dialect: Dialect): Promise<BillingGround> {
  const { databaseUrl, sql } = dialect === 'postgres' ? await openPostgres(t) : openSqlite(t);
  const ground = await openGround(t);
  return {
    ...ground,
    databaseUrl,
    sql,
    bill: (host, environment = {}, slot = 0) =>
      ground.run('billing-service', host, { DATABASE_URL: databaseUrl, DATABASE_POOL_SIZE: '5', ...environment }, slot),
  };
}

async function openPostgres(t: Lifetime) {
  const { config, client } = await startPostgres(t);
  const databaseUrl = `postgres://${config.user}@${encodeURIComponent(config.host)}:${config.port}/${config.database}`;
  return { databaseUrl, sql: fromPgClient(await client()) };
}

function openSqlite(t: Lifetime) {
  const file = join(tempDirectory(t), 'billing.db');
  const handle = new DatabaseSync(file);
  t.after(() => handle.close());
  return { databaseUrl: `sqlite:${file}`, sql: fromSqlite(handle) };
}
