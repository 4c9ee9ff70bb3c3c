import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { isAlive, type ProcessIdentity, readChildIdentity } from '../../agent/process/process-identity.ts';
import { signalProcess } from '../../agent/process/signal-process.ts';
import { waitUntil } from './wait-until.ts';

const launcher = fileURLToPath(new URL('../../cli/bin.js', import.meta.url));

/** A process of ours: started with the same command as a user would, its output in a file. */
export interface Child {
  readonly pid: number;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  isRunning(): boolean;
  signal(signal: NodeJS.Signals): void;
  /** Asks to end, then kills after `patienceMs`. */
  stop(patienceMs?: number): Promise<void>;
}

/**
 * Runs `drover <args>`. It gets a process group of its own, so that a Ctrl-C in the terminal reaches only the script,
 * which then stops its children in order.
 */
export function startDrover(
  args: readonly string[],
  { logFile, env = {} }: { logFile: string; env?: Record<string, string> },
): Child {
  const pidFile = `${logFile}.pid`;
  const log = openSync(logFile, 'a', 0o600);
  const child: ChildProcess = spawn(process.execPath, [launcher, ...args], {
    stdio: ['ignore', log, log],
    detached: true,
    env: { ...process.env, ...env },
  });
  closeSync(log);
  if (child.pid !== undefined) writeFileSync(pidFile, JSON.stringify(readChildIdentity(child.pid)));
  child.once('exit', () => rmSync(pidFile, { force: true }));
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const isRunning = () => child.exitCode === null && child.signalCode === null;
  return {
    pid: child.pid ?? 0,
    exited,
    isRunning,
    signal: (signal) => void child.kill(signal),
    async stop(patienceMs = 10_000) {
      if (!isRunning()) return;
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** Ends what an earlier run that was killed has left behind under the same log file; a stranger's process is never touched. */
export async function stopLeftover(logFile: string): Promise<void> {
  let identity: ProcessIdentity;
  try {
    identity = JSON.parse(readFileSync(`${logFile}.pid`, 'utf8')) as ProcessIdentity;
  } catch {
    return;
  }
  if (signalProcess(identity, 'SIGTERM') === 'sent') {
    await waitUntil(`process ${identity.pid} of an earlier run to end`, async () => !isAlive(identity)).catch(() =>
      signalProcess(identity, 'SIGKILL'),
    );
  }
  rmSync(`${logFile}.pid`, { force: true });
}

/** The end of a log file, for an error message. */
export async function lastLines(file: string, count: number): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-count).join('\n');
}
