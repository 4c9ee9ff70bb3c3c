import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { fromPgClient, fromSqlite, type SqlExecutor } from '../../../sdk/index.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { skipWithoutPostgres, startPostgres } from '../../support/postgres.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import type { RunningExample } from '../run-example.ts';
import { type Ground, openGround } from './open-ground.ts';

export type Dialect = 'postgres' | 'sqlite';

/** What billing-service has to do the same on. */
export const dialects: readonly { readonly dialect: Dialect; readonly skip: string | false }[] = [
  { dialect: 'postgres', skip: skipWithoutPostgres },
  { dialect: 'sqlite', skip: false },
];

/** A database of one of the two kinds, for the instances of billing-service, and a look into it for the test. */
export interface BillingGround extends Ground {
  /** The rows of a statement, as the database has them. */
  look(text: string, params?: readonly (string | number)[]): Promise<Readonly<Record<string, unknown>>[]>;
  /** Starts an instance as on a host of that name. */
  bill(host: string, environment?: Readonly<Record<string, string>>): Promise<RunningExample>;
}

/** `urlParams` are added to DATABASE_URL of PostgreSQL. */
export async function openBillingGround(t: Lifetime, dialect: Dialect, urlParams = ''): Promise<BillingGround> {
  const { databaseUrl, sql } = dialect === 'postgres' ? await openPostgres(t, urlParams) : openSqlite(t);
  const ground = await openGround(t);
  // Three instances in a row, and more after a kill, stay below the 40 connections of the test server.
  const settings = { DATABASE_URL: databaseUrl, DATABASE_POOL_SIZE: '6' };
  return {
    ...ground,
    look: async (text, params) => [...(await sql.query(text, params)).rows],
    bill: (host, environment) => ground.run('billing-service', host, { ...settings, ...environment }),
  };
}

async function openPostgres(t: Lifetime, params: string): Promise<{ databaseUrl: string; sql: SqlExecutor }> {
  const { config, client } = await startPostgres(t);
  const { user, host, port, database } = config;
  const databaseUrl = `postgres://${user}@${encodeURIComponent(host)}:${port}/${database}${params}`;
  return { databaseUrl, sql: fromPgClient(await client()) };
}

function openSqlite(t: Lifetime): { databaseUrl: string; sql: SqlExecutor } {
  const file = join(tempDirectory(t), 'billing.db');
  const handle = new DatabaseSync(file);
  t.after(() => handle.close());
  return { databaseUrl: `sqlite:${file}`, sql: fromSqlite(handle) };
}
