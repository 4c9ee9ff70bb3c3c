import type { RestartPolicy, ServiceSpec } from '../../shared/contracts/spec.ts';
import type { ListeningAddress } from '../process/listening-port.ts';
import type { ProcessIdentity } from '../process/process-identity.ts';

/**
 * What an agent and a shim say to each other: JSON lines over a unix socket. A shim outlives agents of several
 * versions, so fields are only ever added, and a receiver ignores what it does not know. The number changes when that
 * is not enough.
 */
export const PROTOCOL_VERSION = 1;

/** A longer line is a broken or hostile peer. The largest honest one is a welcome with a few hundred workers. */
export const MAX_LINE_BYTES = 4 * 1024 * 1024;

/**
 * `bundle.json`: all that a shim is told at its start, and all that a later agent knows of it. Holds secrets: mode
 * 0600.
 */
export interface Bundle {
  readonly version: number;
  readonly service: string;
  readonly revision: number;
  /**
   * Chosen by the agent, because a path longer than 107 bytes cannot be bound. Its directory must exist with mode 0700.
   */
  readonly socketPath: string;
  /** Absolute. */
  readonly cwd: string;
  /** Relative to `cwd`, absolute, or with `interpreter: 'none'` a name to look up in PATH. */
  readonly script: string;
  readonly args: readonly string[];
  /**
   * Without it the file extension decides; `node` is the Node that runs the shim; `none` executes the script itself.
   */
  readonly interpreter?: string;
  readonly nodeArgs: readonly string[];
  readonly execMode: ServiceSpec['execMode'];
  readonly schedulingPolicy: ServiceSpec['schedulingPolicy'];
  /** The whole environment of a worker but for what `StartInstance` adds: nothing is inherited from the shim. */
  readonly env: Readonly<Record<string, string>>;
  readonly uid?: number;
  readonly gid?: number;
  readonly instanceVar: string;
  readonly waitReady: boolean;
  /** Ready means that the worker listens on the instance's port (fork) or on any (cluster). */
  readonly expectListen: boolean;
  /** Ready by then, or the worker is killed and the start has failed. */
  readonly listenTimeoutMs: number;
  readonly killSignal: ServiceSpec['killSignal'];
  readonly killTimeoutMs: number;
  readonly treekill: boolean;
  readonly shutdownWithMessage: boolean;
  readonly restart: RestartPolicy;
  /** 0 is no limit. */
  readonly maxMemoryBytes: number;
  /** `name`: of the log files, where it is not the instance's id. */
  readonly logs: ServiceSpec['logs'] & { readonly directory: string; readonly name?: string };
}

/** `shim.json`: who runs this bundle. */
export interface ShimRecord extends ProcessIdentity {
  readonly version: number;
  readonly socketPath: string;
}

/**
 * `workers/<instanceId>.json`: written before a worker is started, completed after, removed when its whole tree is
 * gone.
 */
export interface WorkerRecord {
  readonly instanceId: string;
  /** Null for the moment between the intent and the process. */
  readonly process: ProcessIdentity | null;
}

/**
 * ```
 * starting ──▶ ready ──▶ draining ──▶ stopping ──▶ exited
 *    │  ▲        │                        ▲
 *    │  │        ├── crash ──▶ waiting-restart ──▶ starting
 *    │  └────────┘ restart    errored (gave up)
 *    └── stop from any phase: stopping ──▶ exited
 * ```
 * `exited` and `errored` are final.
 */
export type WorkerPhase = 'starting' | 'ready' | 'draining' | 'stopping' | 'waiting-restart' | 'exited' | 'errored';

/** Why a run of a worker ended; those from `cwd-not-found` on never had a process. */
export type ExitReason =
  | 'exit'
  | 'drained'
  | 'stop'
  | 'restart'
  | 'ready-timeout'
  | 'memory'
  | 'cwd-not-found'
  | 'script-not-found'
  | 'interpreter-not-found'
  | 'permission-denied'
  | 'spawn-failed';

export interface WorkerExit {
  readonly reason: ExitReason;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly uptimeMs: number;
  /** A sentence for people. */
  readonly message: string;
  /** The last lines of output, both streams, oldest first; at most 20. */
  readonly lastLines: readonly string[];
  /** SIGKILL was needed. */
  readonly forced: boolean;
}

/** One line of `exits.jsonl`: exits that no agent may have seen. */
export interface ExitRecord extends WorkerExit {
  readonly instanceId: string;
  readonly slot: number;
  readonly pid: number | null;
  /** In which life of the host. */
  readonly bootId: string;
}

/** All that can be said of one worker; sent whole on every change. Instants are milliseconds since 1970. */
export interface WorkerSnapshot {
  readonly instanceId: string;
  readonly slot: number;
  readonly phase: WorkerPhase;
  readonly pid: number | null;
  /** Of the process, in clock ticks since boot. */
  readonly startTime: number | null;
  readonly restarts: number;
  readonly unstableRestarts: number;
  readonly startedAt: number | null;
  readonly readyAt: number | null;
  /** For `waiting-restart`. */
  readonly restartAt: number | null;
  readonly lastExit: WorkerExit | null;
  /** Why there is no other attempt: of `errored`, and of `exited` where its restart policy leaves it so. */
  readonly failure: string | null;
  readonly listening: ListeningAddress | null;
  /** Nothing is in flight any more, as far as can be known, and nothing new can come in. */
  readonly drained: boolean;
  /** Known for draining Node workers only. */
  readonly inFlight: number | null;
  readonly connections: number | null;
  /** Bytes of output that could not be written to disk. */
  readonly lostLogBytes: number;
}

export interface StartInstance {
  readonly id: string;
  readonly slot: number;
  readonly port: number | null;
  /**
   * Wins over the bundle's; PORT, the instance variable and DROVER_{SERVICE,REVISION,SLOT,INSTANCE_ID,SHIM} are set by
   * the shim.
   */
  readonly env: Readonly<Record<string, string>>;
}

export type ShimRequest =
  | { readonly type: 'hello'; readonly version: number }
  /** `failFast`: an end before the first ready is final. Starting what runs already is no error. */
  | { readonly type: 'start'; readonly instance: StartInstance; readonly failFast?: boolean }
  | { readonly type: 'drain'; readonly id: string }
  /** Answered at once; the end is an event. */
  | { readonly type: 'stop'; readonly id: string }
  | { readonly type: 'restart'; readonly id: string }
  | { readonly type: 'signal'; readonly id: string; readonly signal: NodeJS.Signals }
  | { readonly type: 'status' }
  /** Drops a worker that is `exited` or `errored`. Forgetting an unknown one is no error. */
  | { readonly type: 'forget'; readonly id: string }
  | { readonly type: 'reopenLogs' }
  /** Refused while workers live, unless `force`: then they are stopped first. */
  | { readonly type: 'shutdown'; readonly force?: boolean };

/** `request` numbers the requests of one connection; the answer carries it back. */
export type RequestLine = ShimRequest & { readonly request: number };

export type ShimErrorCode =
  | 'HELLO_REQUIRED'
  | 'REQUEST_INVALID'
  | 'INSTANCE_UNKNOWN'
  | 'INSTANCE_ENDED'
  | 'INSTANCE_ALIVE'
  | 'SIGNAL_FAILED'
  | 'SHIM_BUSY'
  | 'SHIM_STOPPING';

export interface Welcome {
  readonly version: number;
  readonly service: string;
  readonly revision: number;
  readonly shim: ProcessIdentity;
  /** The number of the last event; the next one has this plus one. */
  readonly sequence: number;
  readonly workers: readonly WorkerSnapshot[];
}

export type ReplyLine =
  | { readonly type: 'reply'; readonly request: number; readonly result: Welcome | null }
  | { readonly type: 'error'; readonly request: number; readonly code: ShimErrorCode; readonly message: string };

/** In order, without gaps, on every change of any worker: a start always comes before its exit. */
export interface StateLine {
  readonly type: 'state';
  readonly sequence: number;
  readonly worker: WorkerSnapshot;
}

export type ShimLine = ReplyLine | StateLine;
