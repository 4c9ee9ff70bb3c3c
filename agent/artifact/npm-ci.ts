import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Native modules may be compiled; more than this is a registry that does not answer. */
const timeoutMs = 15 * 60_000;
/** The end of npm's output says what failed. */
const keptLines = 15;
const keptBytes = 16_384;

export interface NpmCiOptions {
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Default: beside the Node that runs the agent, else the one in PATH. */
  readonly npm?: string;
  /** Ends npm and what it started; without it an agent that stops would wait for npm. */
  readonly signal?: AbortSignal;
}

/** Runs `npm ci --omit=dev` with the Node of the agent. @throws with the last lines of npm. */
export async function npmCi({ directory, environment, npm = npmOfThisNode(), signal }: NpmCiOptions): Promise<void> {
  const child = spawn(npm, ['ci', '--omit=dev', '--no-audit', '--no-fund', '--loglevel=warn'], {
    cwd: directory,
    env: {
      ...environment,
      PATH: [dirname(process.execPath), environment.PATH ?? '/usr/local/bin:/usr/bin:/bin'].join(':'),
      NODE_ENV: 'production',
      npm_config_update_notifier: 'false',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that what npm started can be ended with it.
    detached: true,
  });
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString('utf8')).slice(-keptBytes);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const { promise, resolve } = Promise.withResolvers<string | null>();
  child.on('error', (error) =>
    resolve(`npm cannot be started (${error.message}): install npm on this host, or ship node_modules`),
  );
  child.on('close', (code, signal) => resolve(code === 0 ? null : `npm ci ended with ${signal ?? `code ${code}`}`));
  const giveUp = (reason: string) => {
    killGroup(child);
    resolve(reason);
  };
  const stop = () => giveUp('npm ci was stopped with the agent');
  const timer = setTimeout(() => giveUp(`npm ci took longer than ${timeoutMs / 60_000} minutes`), timeoutMs);
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  const failure = await promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  });
  if (failure === null) return;
  const lines = output.trim().split('\n').slice(-keptLines);
  throw new Error([failure, ...lines].filter(Boolean).join('\n'));
}

/** Only while npm itself has not been reaped: afterwards the number of its group may be a stranger's. */
function killGroup({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, 'SIGKILL');
}

function npmOfThisNode(): string {
  const beside = join(dirname(process.execPath), 'npm');
  return existsSync(beside) ? beside : 'npm';
}
