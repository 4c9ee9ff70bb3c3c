import { type ChildProcess, spawn } from 'node:child_process';
import cluster from 'node:cluster';
import { once } from 'node:events';
import type { ListeningAddress } from '../process/listening-port.ts';
import type { Bundle } from './protocol.ts';
import { explainSpawnError, type StartFailure } from './start-failure.ts';
import { buildWorkerCommand, type WorkerCommand } from './worker-command.ts';
import { type WorkerProcess, wrapChild } from './worker-process.ts';

export interface SpawnPaths {
  /** The Node that runs `interpreter: 'node'`. */
  readonly nodePath: string;
  readonly hookPath: string;
}

export type SpawnResult = { readonly process: WorkerProcess } | { readonly failure: StartFailure };

/** Starts the process of a worker with exactly this environment. Failures are values; never throws. */
export async function spawnWorker(
  bundle: Bundle,
  env: Readonly<Record<string, string>>,
  paths: SpawnPaths,
): Promise<SpawnResult> {
  const command = buildWorkerCommand(bundle, paths.nodePath, paths.hookPath);
  if ('reason' in command) return { failure: command };
  try {
    const { child, listening } =
      bundle.execMode === 'cluster' && command.isNode
        ? forkIntoCluster(bundle, env, command, paths.hookPath)
        : spawnAlone(bundle, env, command);
    const worker = wrapOrKill(child, command.isNode, listening);
    if (worker !== null) return { process: worker };
    const [error] = (await once(child, 'error')) as [NodeJS.ErrnoException];
    return { failure: explainSpawnError(error, command.command) };
  } catch (error) {
    return { failure: explainSpawnError(error as NodeJS.ErrnoException, command.command) };
  }
}

/** A process that we cannot name could never be stopped safely, so it is not left to run. */
function wrapOrKill(...args: Parameters<typeof wrapChild>): WorkerProcess | null {
  try {
    return wrapChild(...args);
  } catch (error) {
    args[0].kill('SIGKILL');
    throw error;
  }
}

interface Spawned {
  readonly child: ChildProcess;
  readonly listening: Promise<ListeningAddress>;
}

const NEVER = new Promise<never>(() => {});

/** Fork mode: leader of its own session and process group, so that its tree can be told from all others. */
function spawnAlone(bundle: Bundle, env: Readonly<Record<string, string>>, command: WorkerCommand): Spawned {
  const child = spawn(command.command, command.args, {
    cwd: bundle.cwd,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', ...(command.isNode ? (['ipc'] as const) : [])],
    ...userOf(bundle),
  });
  return { child, listening: NEVER };
}

/**
 * Cluster mode: the workers of this shim share listening sockets that the shim holds. `node:cluster` gives workers the
 * environment of its own process besides the one it is told, so the shim's own is empty.
 */
function forkIntoCluster(
  bundle: Bundle,
  env: Readonly<Record<string, string>>,
  command: WorkerCommand,
  hookPath: string,
): Spawned {
  // Before the first fork: cluster reads the policy then, and the Node to run at every fork.
  cluster.schedulingPolicy = bundle.schedulingPolicy === 'round-robin' ? cluster.SCHED_RR : cluster.SCHED_NONE;
  process.execPath = command.command;
  cluster.setupPrimary({
    exec: command.script,
    args: [...bundle.args],
    execArgv: ['--require', hookPath, ...bundle.nodeArgs],
    cwd: bundle.cwd,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    silent: true,
    ...userOf(bundle),
  });
  const worker = cluster.fork(env);
  worker.on('error', () => {});
  const listening = new Promise<ListeningAddress>((resolve) => {
    worker.once('listening', ({ address, port }) => resolve({ address: address ?? '::', port }));
  });
  return { child: worker.process as ChildProcess, listening };
}

function userOf({ uid, gid }: Bundle): { uid?: number; gid?: number } {
  return { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) };
}
