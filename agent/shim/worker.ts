import { setTimeout as sleep } from 'node:timers/promises';
import { decideRestart, NO_RESTARTS, type RestartHistory } from '../instance/restart.ts';
import { type KillTreeResult, killProcessTree } from '../process/kill-process-tree.ts';
import { readBootId } from '../process/process-identity.ts';
import { signalProcess } from '../process/signal-process.ts';
import { appendExitRecord, removeWorkerRecord, writeWorkerRecord } from './bundle-files.ts';
import { describeExit, describeGiveUp } from './describe-exit.ts';
import { watchMemoryLimit } from './memory-limit.ts';
import { newSnapshot } from './new-snapshot.ts';
import type { Bundle, ExitReason, StartInstance, WorkerExit, WorkerSnapshot } from './protocol.ts';
import { waitUntilReady } from './readiness.ts';
import { type SpawnPaths, spawnWorker } from './spawn-worker.ts';
import type { StartFailure } from './start-failure.ts';
import { markersOf, workerEnvironment } from './worker-environment.ts';
import { WorkerLogs } from './worker-logs.ts';
import { DRAIN_MESSAGE, type WorkerProcess } from './worker-process.ts';

/**
 * After the last process of a tree has ended its pipes end at once, unless a process that we may not kill holds them.
 */
const OUTPUT_GRACE_MS = 1_000;

export interface WorkerContext {
  readonly bundle: Bundle;
  readonly directory: string;
  readonly paths: SpawnPaths;
  /** Called with the whole snapshot on every change, in order. */
  onChange(snapshot: WorkerSnapshot): void;
  /** A record could not be written. The worker goes on. */
  onTrouble(error: unknown): void;
}

/** How one run of the process ended. */
interface Run {
  readonly exit: WorkerExit;
  readonly wasReady: boolean;
  readonly startFailure: StartFailure | null;
}

/** Why we are ending the current run. */
interface Ending {
  readonly reason: ExitReason;
  readonly detail: string | null;
  readonly killed: Promise<KillTreeResult>;
}

/**
 * The life of one instance on this host, from its first start to its end: runs the process, restarts it by policy,
 * drains and stops it. Its requests only say what is wanted; `#live` is the one place that decides what comes next.
 */
export class Worker {
  readonly #context: WorkerContext;
  readonly #instance: StartInstance;
  readonly #failFast: boolean;
  readonly #logs: WorkerLogs;
  readonly #markers: readonly string[];
  #wanted: 'run' | 'drain' | 'stop' = 'run';
  #process: WorkerProcess | null = null;
  #ending: Ending | null = null;
  #pause: AbortController | null = null;
  #snapshot: WorkerSnapshot;
  /** Resolves when the worker is `exited` or `errored`, and nothing of it is left. */
  readonly ended: Promise<void>;

  constructor(context: WorkerContext, instance: StartInstance, failFast: boolean) {
    this.#context = context;
    this.#instance = instance;
    this.#failFast = failFast;
    this.#logs = new WorkerLogs(context.bundle.logs, instance.id);
    this.#markers = markersOf(context.bundle, instance.id);
    this.#snapshot = newSnapshot(instance);
    this.ended = this.#live().catch((error: unknown) => {
      context.onTrouble(error);
      this.#change({ phase: 'errored', failure: `the shim failed: ${String(error)}`, restartAt: null });
    });
  }

  get snapshot(): WorkerSnapshot {
    return { ...this.#snapshot, lostLogBytes: this.#logs.lostBytes };
  }

  get hasEnded(): boolean {
    return this.#snapshot.phase === 'exited' || this.#snapshot.phase === 'errored';
  }

  /** No new work, no restart any more; what is in flight goes on. */
  drain(): void {
    if (this.hasEnded || this.#wanted !== 'run') return;
    this.#wanted = 'drain';
    this.#pause?.abort();
    const worker = this.#process;
    if (worker === null) return;
    worker.onDrainReport = ({ inFlight, connections, drained }) => {
      if (worker === this.#process) this.#change({ inFlight, connections, drained });
    };
    const isAsked = worker.canDrain && worker.send(DRAIN_MESSAGE);
    // While it is being ended for another reason the phase stays `stopping`.
    this.#change({ ...(this.#ending === null ? { phase: 'draining' } : {}), drained: !isAsked });
  }

  stop(): void {
    if (this.hasEnded || this.#wanted === 'stop') return;
    this.#wanted = 'stop';
    this.#pause?.abort();
    this.#endRun('stop', null);
  }

  /** Ends the process and starts it anew under the same instance; counts as a restart, not as a crash. */
  restart(): void {
    if (this.#wanted !== 'run') return;
    this.#pause?.abort();
    this.#endRun('restart', null);
  }

  /** False when there is no process, or it may not be signalled. */
  signal(signal: NodeJS.Signals): boolean {
    return this.#process !== null && signalProcess(this.#process.identity, signal) === 'sent';
  }

  reopenLogs(): void {
    this.#logs.reopen();
  }

  async #live(): Promise<void> {
    let history: RestartHistory = NO_RESTARTS;
    let instanceWasReady = false;
    let failure: string | null = null;
    let phase: 'exited' | 'errored' = 'errored';
    for (;;) {
      const { exit, wasReady, startFailure } = await this.#run();
      instanceWasReady ||= wasReady;
      this.#record(exit);
      if (this.#wanted !== 'run') break;
      if (startFailure !== null && !startFailure.retryable) {
        failure = exit.message;
        break;
      }
      const planned = exit.reason === 'restart' || exit.reason === 'memory';
      const { waitReady, expectListen } = this.#context.bundle;
      const awaitsReady = waitReady || expectListen;
      // What it answers when we end it, or cannot start it, is no code of its own.
      const code = exit.reason === 'exit' ? exit.code : null;
      const facts = { code, uptimeMs: exit.uptimeMs, wasReady, instanceWasReady, awaitsReady, planned };
      const decision = decideRestart(this.#context.bundle.restart, history, facts, this.#failFast);
      history = decision.history;
      const { unstableRestarts } = history;
      this.#snapshot = { ...this.#snapshot, lastExit: exit, unstableRestarts };
      if (decision.kind === 'give-up') {
        failure = describeGiveUp(decision.reason, unstableRestarts, exit.message);
        const mayStayDown = decision.reason === 'no-autorestart' || decision.reason === 'stop-exit-code';
        if (mayStayDown && exit.reason === 'exit') phase = 'exited';
        break;
      }
      this.#change({ phase: 'waiting-restart', restartAt: Date.now() + decision.afterMs });
      await this.#waitForRestart(decision.afterMs);
      if (this.#wanted !== 'run') break;
      this.#snapshot = { ...this.#snapshot, restarts: this.#snapshot.restarts + 1 };
    }
    await this.#logs.close();
    this.#change({ phase: failure === null ? 'exited' : phase, failure, restartAt: null, drained: true });
  }

  async #run(): Promise<Run> {
    const { bundle, directory, paths } = this.#context;
    const startedAt = Date.now();
    const startedMs = performance.now();
    this.#logs.tail.clear();
    // The intent first: if this shim dies in between, whoever cleans up knows which marker to look for.
    this.#try(() => writeWorkerRecord(directory, { instanceId: this.#instance.id, process: null }));
    const spawned = await spawnWorker(bundle, workerEnvironment(bundle, this.#instance), paths);
    if ('failure' in spawned) {
      this.#try(() => removeWorkerRecord(directory, this.#instance.id));
      return failedRun(spawned.failure, startedAt);
    }

    const worker = spawned.process;
    this.#process = worker;
    this.#try(() => writeWorkerRecord(directory, { instanceId: this.#instance.id, process: worker.identity }));
    this.#logs.pump(worker.output.out, 'out');
    this.#logs.pump(worker.output.err, 'err');
    const { pid, startTime } = worker.identity;
    this.#change({ phase: 'starting', pid, startTime, startedAt, readyAt: null, restartAt: null, listening: null });
    if (this.#wanted === 'stop') this.#endRun('stop', null);

    const over = new AbortController();
    void this.#becomeReady(worker, over.signal);
    if (bundle.maxMemoryBytes > 0) {
      const exceeded = (bytes: number) =>
        this.#endRun('memory', `${bytes} bytes are more than the limit of ${bundle.maxMemoryBytes}`);
      watchMemoryLimit(pid, bundle.maxMemoryBytes, exceeded, over.signal);
    }
    const processExit = await worker.exited;
    over.abort();
    const uptimeMs = Math.round(performance.now() - startedMs);
    const leftOver = await this.#endTree(worker);
    await Promise.race([worker.outputEnded, sleep(OUTPUT_GRACE_MS, undefined, { ref: false })]);
    await this.#logs.flush();

    const reason = this.#ending?.reason ?? (this.#wanted === 'drain' ? 'drained' : 'exit');
    const { readyAt } = this.#snapshot;
    if (leftOver.survivors.length === 0) this.#try(() => removeWorkerRecord(directory, this.#instance.id));
    const stuck = leftOver.survivors.map((survivor) => survivor.pid).join(', ');
    const message = describeExit(processExit, reason, this.#ending?.detail ?? null, uptimeMs);
    const exit: WorkerExit = {
      reason,
      ...processExit,
      at: Date.now(),
      uptimeMs,
      message: stuck === '' ? message : `${message}; could not be killed: pid ${stuck}`,
      lastLines: this.#logs.tail.lines(),
      forced: leftOver.forced,
    };
    this.#process = null;
    this.#ending = null;
    return { exit, wasReady: readyAt !== null, startFailure: null };
  }

  async #becomeReady(worker: WorkerProcess, signal: AbortSignal): Promise<void> {
    const { bundle } = this.#context;
    try {
      const readiness = await waitUntilReady(bundle, worker, this.#instance.port, signal);
      if (signal.aborted || this.#ending !== null || this.#wanted !== 'run') return;
      if (readiness.ready) this.#change({ phase: 'ready', readyAt: Date.now(), listening: readiness.listening });
      else this.#endRun('ready-timeout', readiness.message);
    } catch (error) {
      if (!signal.aborted) this.#context.onTrouble(error);
    }
  }

  /** Ends the current run, if there is one. A stop takes precedence over the reason of an end that is under way. */
  #endRun(reason: ExitReason, detail: string | null): void {
    const worker = this.#process;
    if (worker === null) return;
    if (this.#ending !== null) {
      if (reason === 'stop') this.#ending = { ...this.#ending, reason, detail };
      return;
    }
    const { shutdownWithMessage, killSignal } = this.#context.bundle;
    const isAsked = shutdownWithMessage && worker.send('shutdown');
    this.#ending = { reason, detail, killed: this.#kill(worker, isAsked ? null : killSignal) };
    this.#change({ phase: 'stopping' });
  }

  /** The main process has ended: ends what it has left behind too, so that a restart finds its port and files free. */
  #endTree(worker: WorkerProcess): Promise<KillTreeResult> {
    return this.#ending?.killed ?? this.#kill(worker, this.#context.bundle.killSignal);
  }

  #kill(worker: WorkerProcess, signal: NodeJS.Signals | null): Promise<KillTreeResult> {
    const { killTimeoutMs, treekill } = this.#context.bundle;
    return killProcessTree({
      root: worker.identity,
      markers: this.#markers,
      signal,
      killTimeoutMs,
      wholeTree: treekill,
    });
  }

  async #waitForRestart(afterMs: number): Promise<void> {
    this.#pause = new AbortController();
    await sleep(afterMs, undefined, { signal: this.#pause.signal }).catch(() => {});
    this.#pause = null;
  }

  #record(exit: WorkerExit): void {
    const { id, slot } = this.#instance;
    const { pid } = this.#snapshot;
    this.#try(() =>
      appendExitRecord(this.#context.directory, { instanceId: id, slot, pid, bootId: readBootId(), ...exit }),
    );
    this.#snapshot = {
      ...this.#snapshot,
      lastExit: exit,
      pid: null,
      startTime: null,
      inFlight: null,
      connections: null,
    };
  }

  #try(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#context.onTrouble(error);
    }
  }

  #change(change: Partial<WorkerSnapshot>): void {
    this.#snapshot = { ...this.#snapshot, ...change };
    this.#context.onChange(this.snapshot);
  }
}

function failedRun(failure: StartFailure, at: number): Run {
  const { reason, message } = failure;
  const exit = { reason, message, code: null, signal: null, at, uptimeMs: 0, lastLines: [], forced: false };
  return { exit, wasReady: false, startFailure: failure };
}
