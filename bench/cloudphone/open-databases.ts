import { join } from 'node:path';
import { skipWithoutPostgres, startPostgres } from '../../test/support/postgres.ts';

export interface Databases {
  readonly kind: 'postgres' | 'sqlite';
  /** DATABASE_URL of a database of that name. */
  urlOf(name: string): Promise<string>;
}

/** Where PostgreSQL is installed a private server, which ends with `closers`; else SQLite files. */
export async function openDatabases(directory: string, closers: (() => Promise<void>)[]): Promise<Databases> {
  if (skipWithoutPostgres !== false) {
    return { kind: 'sqlite', urlOf: async (name) => `sqlite:${join(directory, `${name}.db`)}` };
  }
  const server = await startPostgres({ after: (close) => void closers.push(async () => close()) });
  const { host, port, user } = server.config;
  const client = await server.client();
  return {
    kind: 'postgres',
    async urlOf(name) {
      const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
      if (rowCount === 0) await client.query(`CREATE DATABASE ${name}`);
      return `postgres://${user}@/${name}?host=${encodeURIComponent(host)}&port=${port}`;
    },
  };
}
