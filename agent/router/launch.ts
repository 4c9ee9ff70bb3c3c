import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isAlive, type ProcessIdentity } from '../process/process-identity.ts';
import { completeRouterConfig, type RouterSettings } from './config.ts';

/** What a running router says about itself in `router.json` of its state directory. */
export interface RouterRecord extends ProcessIdentity {
  readonly socketPath: string;
  readonly version: number;
  /** Port of the shared listener. */
  readonly port: number;
}

export interface LaunchOptions {
  readonly settings: RouterSettings;
  /** The whole environment of the router: it needs nothing, and gets no secrets of the agent by accident. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Time until it serves. Default 10 000: a busy host takes seconds to start a Node process. */
  readonly timeoutMs?: number;
}

const defaultTimeoutMs = 10_000;
const pollMs = 25;
/** As much of the log as explains a failed start. */
const logTailBytes = 2_000;

/**
 * Finds the router that runs with this state directory, or starts one as a process of its own that outlives the caller.
 * Resolves when it serves. Rejects with the end of its log when it ends before, or does not serve in time.
 */
export async function launchRouter(options: LaunchOptions): Promise<RouterRecord> {
  const config = completeRouterConfig(options.settings);
  const running = findRouter(config.stateDirectory);
  if (running !== null) return running;

  mkdirSync(config.stateDirectory, { recursive: true, mode: 0o700 });
  const configPath = join(config.stateDirectory, 'router-config.json');
  writeFileSync(configPath, JSON.stringify(config), { mode: 0o600 });
  const logPath = join(config.stateDirectory, 'router.log');
  const logFile = openSync(logPath, 'a', 0o600);
  const main = fileURLToPath(import.meta.resolve('./main.ts'));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, configPath], {
    detached: true,
    stdio: ['ignore', 'ignore', logFile],
    cwd: '/',
    env: { ...options.environment },
  });
  closeSync(logFile);
  let spawnError: Error | null = null;
  child.on('error', (error) => {
    spawnError = error;
  });
  child.unref();

  const giveUpAt = performance.now() + (options.timeoutMs ?? defaultTimeoutMs);
  while (performance.now() < giveUpAt && child.exitCode === null && child.signalCode === null && spawnError === null) {
    const started = findRouter(config.stateDirectory);
    if (started !== null && started.pid === child.pid) return started;
    await sleep(pollMs);
  }
  const hasEnded = child.exitCode !== null || child.signalCode !== null || spawnError !== null;
  if (!hasEnded) child.kill('SIGKILL');
  throw new Error(
    `The router on ${config.listen} ${hasEnded ? 'ended before it served' : 'did not serve in time'}: ${logTail(logPath)}`,
    { cause: spawnError },
  );
}

/** The living router of a state directory, by pid, start time and boot id; null when there is none. */
export function findRouter(stateDirectory: string): RouterRecord | null {
  try {
    const record = JSON.parse(readFileSync(join(stateDirectory, 'router.json'), 'utf8')) as RouterRecord;
    return isAlive(record) ? record : null;
  } catch {
    return null;
  }
}

function logTail(path: string): string {
  try {
    return readFileSync(path, 'utf8').slice(-logTailBytes).trim();
  } catch {
    return 'it left no log';
  }
}
