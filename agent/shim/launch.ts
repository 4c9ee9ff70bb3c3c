import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isAlive } from '../process/process-identity.ts';
import { bundlePaths, readJsonFile, writeJsonFile } from './bundle-files.ts';
import { type ConnectOptions, connectShim, type ShimClient } from './client.ts';
import { SHIM_NODE_FLAGS, shimEnvironment } from './program.ts';
import type { Bundle, ShimRecord } from './protocol.ts';

const MAIN_PATH = fileURLToPath(new URL('./main.ts', import.meta.url));

/** A shim is up in about 100 ms; on a host that starts fifty at once it takes seconds. */
const LAUNCH_TIMEOUT_MS = 10_000;
const POLL_INTERVAL_MS = 10;

/** `sun_path` of Linux holds 108 bytes with the closing NUL. */
const MAX_SOCKET_PATH_BYTES = 107;

/** A log that has grown past this starts over at the next launch; it only holds problems of the shim itself. */
const MAX_SHIM_LOG_BYTES = 1024 * 1024;

export interface LaunchOptions extends Omit<ConnectOptions, 'socketPath'> {
  readonly directory: string;
  readonly bundle: Bundle;
  readonly compileCacheDirectory: string;
  /** The Node that runs the shim and its `interpreter: 'node'` workers. Default: the caller's. */
  readonly nodePath?: string;
}

/**
 * Writes the bundle and starts its shim, detached, so that it outlives the caller. Resolves with a connection. Rejects
 * when the shim cannot start, with the end of its log in the message. When a shim runs this bundle already, connects to
 * it.
 */
export async function launchShim(options: LaunchOptions): Promise<ShimClient> {
  const { directory, bundle } = options;
  const files = bundlePaths(directory);
  if (Buffer.byteLength(bundle.socketPath) > MAX_SOCKET_PATH_BYTES) {
    throw new Error(`${bundle.socketPath} is longer than ${MAX_SOCKET_PATH_BYTES} bytes; no socket can be bound there`);
  }
  const running = readJsonFile<ShimRecord>(files.shim);
  if (running !== null && isAlive(running)) return connectShim({ ...options, socketPath: running.socketPath });

  mkdirSync(directory, { recursive: true, mode: 0o700 });
  mkdirSync(dirname(bundle.socketPath), { recursive: true, mode: 0o700 });
  writeJsonFile(files.bundle, bundle);
  const shim = spawnShim(options, files.shimLog);
  const giveUpAt = performance.now() + LAUNCH_TIMEOUT_MS;
  // A record of an earlier shim may have the same pid: numbers come again after a reboot, and soon in a container.
  while (!isRecorded(files.shim, shim.pid)) {
    if (shim.exitCode !== null || shim.signalCode !== null || shim.pid === undefined) {
      throw new Error(`The shim of ${bundle.service} did not start: ${readEnd(files.shimLog)}`);
    }
    if (performance.now() >= giveUpAt) {
      shim.kill('SIGKILL');
      throw new Error(`The shim of ${bundle.service} was not up within ${LAUNCH_TIMEOUT_MS} ms`);
    }
    await sleep(POLL_INTERVAL_MS);
  }
  return connectShim({ ...options, socketPath: bundle.socketPath });
}

function isRecorded(path: string, pid: number | undefined): boolean {
  const record = readJsonFile<ShimRecord>(path);
  return record !== null && record.pid === pid && isAlive(record);
}

function spawnShim(options: LaunchOptions, logPath: string): ChildProcess {
  const isTooLong = (statSync(logPath, { throwIfNoEntry: false })?.size ?? 0) > MAX_SHIM_LOG_BYTES;
  const log = openSync(logPath, isTooLong ? 'w' : 'a', 0o600);
  try {
    const shim = spawn(options.nodePath ?? process.execPath, [...SHIM_NODE_FLAGS, MAIN_PATH, options.directory], {
      cwd: '/',
      env: shimEnvironment(options.compileCacheDirectory),
      detached: true,
      stdio: ['ignore', log, log],
    });
    // A shim that cannot be spawned has no pid, which the caller sees.
    shim.on('error', () => {});
    shim.unref();
    return shim;
  } finally {
    closeSync(log);
  }
}

function readEnd(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim().split('\n').slice(-5).join(' | ') || 'it printed nothing';
  } catch {
    return 'it left no log';
  }
}
