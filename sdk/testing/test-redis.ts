import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { DroverError } from '../../shared/contracts/drover-error.ts';
import { freePort } from '../../shared/runtime/free-port.ts';

export interface TestRedisOptions {
  /** Keep writes in an append-only file (fsync every second), so that they survive `kill()`. Default false: data is lost. */
  readonly appendonly?: boolean;
}

/** A real `redis-server` that belongs to one test. Its address stays the same over `restart()`. */
export interface TestRedis {
  readonly url: string;
  readonly port: number;
  /** Process id of the server that runs now; changes with `restart()`. */
  readonly pid: number;
  /** SIGKILL, as a crash; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM, as an orderly stop; resolves when the process is gone. */
  stop(): Promise<void>;
  /** Starts the server again on the same port and data; kills it first if it still runs. */
  restart(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void;
  /** SIGCONT after `pause()`. */
  resume(): void;
  /** Kills the server and removes its data. */
  close(): Promise<void>;
}

/** A port found free may be taken before the server binds it; five times in a row means something else is wrong. */
const maxStartAttempts = 5;
const startTimeoutMs = 10_000;
const pollMs = 20;

/** Has the kernel kill the server should the test process die without running its clean-up. */
const setpriv = '/usr/bin/setpriv';

/**
 * Starts a private `redis-server` on a free port of 127.0.0.1 with a directory of its own.
 * @throws DroverError REQUIREMENT_MISSING when it is not installed or does not start
 */
export async function startTestRedis(options: TestRedisOptions = {}): Promise<TestRedis> {
  const directory = mkdtempSync(join(tmpdir(), 'drover-redis-'));
  let child: ChildProcess | undefined;
  let port = 0;

  async function end(signal: NodeJS.Signals): Promise<void> {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    running.ref();
    const exited = once(running, 'exit');
    running.kill(signal);
    await exited;
  }

  function alive(): ChildProcess {
    if (child === undefined) throw new Error('The test Redis is not running');
    return child;
  }

  for (let attempt = 1; child === undefined; attempt++) {
    port = await freePort();
    try {
      child = await launch(directory, port, options);
    } catch (error) {
      if (attempt < maxStartAttempts) continue;
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    get pid() {
      return alive().pid!;
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    async restart() {
      await end('SIGKILL');
      child = await launch(directory, port, options);
    },
    pause: () => void alive().kill('SIGSTOP'),
    resume: () => void alive().kill('SIGCONT'),
    async close() {
      await end('SIGKILL');
      rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
    },
  };
}

async function launch(directory: string, port: number, options: TestRedisOptions): Promise<ChildProcess> {
  const log = join(directory, 'redis.log');
  rmSync(log, { force: true });
  const server = [
    ...['redis-server', '--bind', '127.0.0.1', '--port', `${port}`, '--dir', directory, '--logfile', log],
    ...['--save', '', '--appendonly', options.appendonly ? 'yes' : 'no', '--appendfsync', 'everysec'],
    ...['--maxmemory-policy', 'noeviction', '--enable-debug-command', 'local'],
  ];
  const [command, ...args] = existsSync(setpriv) ? [setpriv, '--pdeathsig', 'KILL', ...server] : server;
  const child = spawn(command!, args, { stdio: 'ignore' });
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  const giveUpAt = performance.now() + startTimeoutMs;
  for (;;) {
    const text = existsSync(log) ? readFileSync(log, 'utf8') : '';
    if (text.includes('Ready to accept connections')) break;
    if (failure !== undefined || child.exitCode !== null || performance.now() >= giveUpAt) {
      child.kill('SIGKILL');
      throw new DroverError(
        'REQUIREMENT_MISSING',
        'redis-server did not start. Is it installed (Debian: apt-get install redis-server)?',
        { cause: failure ?? new Error(text) },
      );
    }
    await sleep(pollMs);
  }
  child.unref();
  return child;
}
