import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { ListeningAddress } from '../process/listening-port.ts';
import { type ProcessIdentity, readChildIdentity } from '../process/process-identity.ts';

/** How a process ended. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What the drain hook of a worker reports. */
export interface DrainReport {
  readonly inFlight: number;
  readonly connections: number;
  readonly drained: boolean;
}

/** One running process of a worker, the same for fork and cluster mode. */
export interface WorkerProcess {
  readonly identity: ProcessIdentity;
  readonly output: { readonly out: Readable; readonly err: Readable };
  /** Whether the drain hook is in it. */
  readonly canDrain: boolean;
  readonly exited: Promise<ProcessExit>;
  /** Both output pipes have ended. Later than `exited`, or never, when a child of the worker holds them. */
  readonly outputEnded: Promise<void>;
  /** The service has sent 'ready'. */
  readonly readyMessage: Promise<void>;
  /** Cluster mode: the service listens. Never resolves in fork mode. */
  readonly listening: Promise<ListeningAddress>;
  onDrainReport: ((report: DrainReport) => void) | null;
  /** False when the worker has no channel, or has closed it. */
  send(message: unknown): boolean;
}

/** The messages between shim and drain hook. The prefix NODE_ keeps them from the service's own listeners. */
const HOOK_COMMAND = 'NODE_DROVER';
export const DRAIN_MESSAGE = { cmd: HOOK_COMMAND, type: 'drain' };

/** Wraps a child that has just been spawned. Null when it has no pid, which is when its 'error' event is to come. */
export function wrapChild(
  child: ChildProcess,
  canDrain: boolean,
  listening: Promise<ListeningAddress>,
): WorkerProcess | null {
  const { pid, stdout, stderr } = child;
  const identity = pid === undefined ? null : readChildIdentity(pid);
  if (identity === null || stdout === null || stderr === null) return null;

  const readyMessage = Promise.withResolvers<void>();
  const worker: WorkerProcess = {
    identity,
    output: { out: stdout, err: stderr },
    canDrain,
    exited: new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal }))),
    outputEnded: new Promise((resolve) => child.once('close', () => resolve())),
    readyMessage: readyMessage.promise,
    listening,
    onDrainReport: null,
    send(message) {
      if (!child.connected) return false;
      // The callback takes the error of a channel that closes meanwhile; without it the error would be thrown.
      child.send(message as object, () => {});
      return true;
    },
  };
  child.on('message', (message) => {
    if (message === 'ready') readyMessage.resolve();
  });
  child.on('internalMessage' as 'message', (message) => {
    if (isDrainReport(message)) worker.onDrainReport?.(message);
  });
  child.on('error', () => {});
  return worker;
}

function isDrainReport(message: unknown): message is DrainReport {
  const { cmd, type, inFlight, connections, drained } = (message ?? {}) as Record<string, unknown>;
  if (cmd !== HOOK_COMMAND || type !== 'draining') return false;
  return typeof inFlight === 'number' && typeof connections === 'number' && typeof drained === 'boolean';
}
