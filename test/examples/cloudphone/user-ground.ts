import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Lifetime } from '../../support/lifetime.ts';
import { startPostgres } from '../../support/postgres.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import type { RunningExample } from '../run-example.ts';
import { ask, post } from './billing-requests.ts';
import { type Ground, openGround } from './open-ground.ts';

export interface UserGround extends Ground {
  /** SQLite or PostgreSQL. */
  readonly databaseUrl: string;
  /** Starts an instance of user-service. */
  users(host: string, environment?: Readonly<Record<string, string>>): Promise<RunningExample>;
}

export async function openUserGround(t: Lifetime, dialect: 'sqlite' | 'postgres' = 'sqlite'): Promise<UserGround> {
  const url = dialect === 'postgres' ? await startPostgresUrl(t) : `sqlite:${join(tempDirectory(t), 'users.db')}`;
  const ground = await openGround(t);
  return {
    ...ground,
    databaseUrl: url,
    users: (host, environment = {}) => ground.run('user-service', host, { DATABASE_URL: url, ...environment }),
  };
}

async function startPostgresUrl(t: Lifetime): Promise<string> {
  const { config } = await startPostgres(t);
  return `postgres://${config.user}@${encodeURIComponent(config.host)}:${config.port}/${config.database}`;
}

export const password = 'correct horse';

/** A user who has logged in: registered through one instance, or through what stands before it. */
export async function logIn(base: string, username = 'ann'): Promise<{ token: string; userId: string }> {
  await post(`${base}/users/register`, { username, password });
  const { status, body, text } = await post(`${base}/users/login`, { username, password });
  assert.equal(status, 200, text);
  return body;
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

export const lookAtMe = (base: string, token: string) => ask(`${base}/users/me`, { headers: bearer(token) });
