import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';

import { DroverError } from '../contracts/drover-error.ts';
import { freePort } from '../runtime/free-port.ts';

export interface PrivateServerOptions {
  /** Holds the configuration, the password (mode 0600) and the data; made when missing. One server per directory. */
  readonly directory: string;
  /** Default: the port used before in this directory, else a free one. */
  readonly port?: number;
  /** An address of this host at which others reach it too. Default: 127.0.0.1 alone. The connection is not encrypted. */
  readonly address?: string;
}

export interface PrivateServer {
  /** Holds the password: hand it on by environment or file, never by argument list or log. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** True on the very first start in this directory: there is no earlier data that could have been lost. */
  readonly isNew: boolean;
  /** Has the server write its data and end; resolves when it has. */
  close(): Promise<void>;
}

/** Loading a large append-only file takes longest; a server that is not up by then needs a person. */
const startTimeoutMs = 15_000;
/** Writing out the last second of an append-only file is quick even on a slow disk. */
const stopTimeoutMs = 10_000;
const pollMs = 25;
/** Where this process asks, whatever others use. */
const local = '127.0.0.1';
/** Nothing but a local process answers here; more is a server that hangs. */
const answerTimeoutMs = 2000;

/**
 * Starts a `redis-server` of our own on 127.0.0.1, and on `address` if given, with an append-only file and a random password, which outlives this
 * process; or finds the one that runs already in the same directory, known by that password and its data directory.
 * @throws DroverError REQUIREMENT_MISSING when redis-server is not installed, STORE_UNREACHABLE when it does not start.
 */
export async function startPrivateServer(options: PrivateServerOptions): Promise<PrivateServer> {
  const { directory, address = local } = options;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const configFile = join(directory, 'redis.conf');
  const isNew = !existsSync(configFile);
  const known = isNew ? undefined : readConfig(configFile);
  if (known !== undefined) {
    const running = await probe(known, directory);
    if (running !== undefined) return describe({ ...known, address }, running, directory, false);
  }
  const server: Access = {
    port: options.port ?? known?.port ?? (await freePort()),
    password: known?.password ?? randomBytes(32).toString('base64url'),
    address,
  };
  writeFileSync(configFile, renderConfig(server, directory), { mode: 0o600 });
  await launch(configFile);
  const giveUpAt = performance.now() + startTimeoutMs;
  while (performance.now() < giveUpAt) {
    const pid = await probe(server, directory);
    if (pid !== undefined) return describe(server, pid, directory, isNew);
    await sleep(pollMs);
  }
  throw new DroverError(
    'STORE_UNREACHABLE',
    `redis-server did not start on 127.0.0.1:${server.port}; ${join(directory, 'redis.log')} says why.`,
  );
}

interface Access {
  readonly address: string;
  readonly port: number;
  readonly password: string;
}

function describe(server: Access, pid: number, directory: string, isNew: boolean): PrivateServer {
  const host = server.address.includes(':') ? `[${server.address}]` : server.address;
  return {
    url: `redis://:${server.password}@${host}:${server.port}/0`,
    port: server.port,
    pid,
    isNew,
    async close() {
      await ask(server, (redis) => redis.shutdown('NOSAVE'));
      const giveUpAt = performance.now() + stopTimeoutMs;
      while ((await probe(server, directory)) !== undefined) {
        if (performance.now() >= giveUpAt) {
          throw new DroverError('INTERNAL', `The Redis server in ${directory} (pid ${pid}) does not stop.`);
        }
        await sleep(pollMs);
      }
    },
  };
}

function renderConfig(server: Access, directory: string): string {
  return [
    `bind ${[...new Set([local, server.address])].join(' ')}`,
    `port ${server.port}`,
    `requirepass ${server.password}`,
    `dir ${JSON.stringify(directory)}`,
    `logfile ${JSON.stringify(join(directory, 'redis.log'))}`,
    'appendonly yes',
    'appendfsync everysec',
    'save ""',
    'maxmemory-policy noeviction',
    'daemonize no',
    '',
  ].join('\n');
}

function readConfig(file: string): Omit<Access, 'address'> | undefined {
  const text = readFileSync(file, 'utf8');
  const port = /^port (\d+)$/m.exec(text)?.[1];
  const password = /^requirepass (\S+)$/m.exec(text)?.[1];
  return port === undefined || password === undefined ? undefined : { port: Number(port), password };
}

async function launch(configFile: string): Promise<void> {
  const child = spawn('redis-server', [configFile], { detached: true, stdio: 'ignore' });
  child.unref();
  try {
    await once(child, 'spawn');
  } catch (cause) {
    throw new DroverError(
      'REQUIREMENT_MISSING',
      'redis-server is not installed. Install it (Debian: apt-get install redis-server) or set DROVER_REDIS_URL to a Redis of yours.',
      { cause },
    );
  }
}

/** The process id of the server, if it answers, takes our password and keeps its data in `directory`. */
async function probe(server: Omit<Access, 'address'>, directory: string): Promise<number | undefined> {
  return await ask(server, async (redis) => {
    const [, dataDirectory] = (await redis.config('GET', 'dir')) as [string, string];
    const pid = /process_id:(\d+)/.exec(await redis.info('server'))?.[1];
    return dataDirectory === directory && pid !== undefined ? Number(pid) : undefined;
  });
}

async function ask<T>(server: Omit<Access, 'address'>, question: (redis: Redis) => Promise<T>): Promise<T | undefined> {
  const redis = new Redis({
    port: server.port,
    password: server.password,
    host: local,
    lazyConnect: true,
    retryStrategy: null,
    maxRetriesPerRequest: 0,
    connectTimeout: answerTimeoutMs,
    commandTimeout: answerTimeoutMs,
  });
  redis.on('error', () => {});
  try {
    await redis.connect();
    return await question(redis);
  } catch {
    return undefined;
  } finally {
    redis.disconnect();
  }
}
