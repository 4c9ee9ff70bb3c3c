import { constants } from 'node:os';
import { type ProcessIdentity, readProcessIdentity } from '../process/process-identity.ts';
import {
  type Bundle,
  PROTOCOL_VERSION,
  type ShimRequest,
  type StartInstance,
  type StateLine,
  type Welcome,
} from './protocol.ts';
import { RequestError } from './request-error.ts';
import type { SpawnPaths } from './spawn-worker.ts';
import { Worker, type WorkerContext } from './worker.ts';

/** Instance ids become file names and environment entries. */
const INSTANCE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** More workers of one revision on one host than any host carries; a caller in a loop is stopped here. */
const MAX_WORKERS = 1_000;

export interface SupervisorOptions {
  readonly bundle: Bundle;
  readonly directory: string;
  readonly paths: SpawnPaths;
  onState(line: StateLine): void;
  onTrouble(error: unknown): void;
  /** Asked to end by an agent: all workers have ended. */
  onShutdown(): void;
}

/** All workers of one bundle: carries out the requests of agents, and numbers every change. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #workers = new Map<string, Worker>();
  readonly #shim: ProcessIdentity;
  #sequence = 0;
  #stopping = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#shim = readProcessIdentity(process.pid)!;
  }

  get hasLiveWorkers(): boolean {
    return this.#liveWorkers().length > 0;
  }

  welcome(): Welcome {
    const { service, revision } = this.#options.bundle;
    const workers = [...this.#workers.values()].map((worker) => worker.snapshot);
    return { version: PROTOCOL_VERSION, service, revision, shim: this.#shim, sequence: this.#sequence, workers };
  }

  /**
   * Answers a request, or throws a `RequestError`. What takes time goes on after the answer, and its result is an
   * event.
   */
  handle(request: Exclude<ShimRequest, { type: 'hello' }>): Welcome | null {
    switch (request.type) {
      case 'start':
        this.#start(request.instance, request.failFast === true);
        return null;
      case 'drain':
        this.#find(request.id).drain();
        return null;
      case 'stop':
        this.#find(request.id).stop();
        return null;
      case 'restart':
        this.#restart(request.id);
        return null;
      case 'signal':
        this.#signal(request.id, request.signal);
        return null;
      case 'status':
        return this.welcome();
      case 'forget':
        this.#forget(request.id);
        return null;
      case 'reopenLogs':
        for (const worker of this.#workers.values()) worker.reopenLogs();
        return null;
      case 'shutdown':
        this.#shutdown(request.force === true);
        return null;
      default:
        throw new RequestError('REQUEST_INVALID', 'this shim does not know the request');
    }
  }

  /** Stops all workers properly and resolves when nothing of them is left. New starts are refused from now on. */
  async stopAll(): Promise<void> {
    this.#stopping = true;
    const workers = [...this.#workers.values()];
    for (const worker of workers) worker.stop();
    await Promise.all(workers.map((worker) => worker.ended));
  }

  #start(instance: StartInstance, failFast: boolean): void {
    if (this.#stopping) throw new RequestError('SHIM_STOPPING', 'the shim is stopping');
    checkInstance(instance);
    const existing = this.#workers.get(instance.id);
    if (existing?.hasEnded) {
      throw new RequestError('INSTANCE_ENDED', `${instance.id} has ended; an instance is never started twice`);
    }
    if (existing !== undefined) return;
    if (this.#workers.size >= MAX_WORKERS) {
      throw new RequestError('SHIM_BUSY', `a shim takes at most ${MAX_WORKERS} workers; forget some that have ended`);
    }
    const { bundle, directory, paths, onTrouble } = this.#options;
    const context: WorkerContext = {
      bundle,
      directory,
      paths,
      onTrouble,
      onChange: (worker) => {
        this.#sequence += 1;
        this.#options.onState({ type: 'state', sequence: this.#sequence, worker });
      },
    };
    this.#workers.set(instance.id, new Worker(context, instance, failFast));
  }

  #restart(id: string): void {
    const worker = this.#find(id);
    if (worker.hasEnded) throw new RequestError('INSTANCE_ENDED', `${id} has ended; start a new instance`);
    worker.restart();
  }

  #signal(id: string, signal: NodeJS.Signals): void {
    if (!Object.hasOwn(constants.signals, signal)) {
      throw new RequestError('REQUEST_INVALID', `${String(signal)} is not a signal of this host`);
    }
    if (!this.#find(id).signal(signal)) throw new RequestError('SIGNAL_FAILED', `${id} has no process to signal`);
  }

  #forget(id: string): void {
    const worker = this.#workers.get(id);
    if (worker !== undefined && !worker.hasEnded) throw new RequestError('INSTANCE_ALIVE', `${id} has not ended`);
    this.#workers.delete(id);
  }

  #shutdown(force: boolean): void {
    const live = this.#liveWorkers().length;
    if (live > 0 && !force) throw new RequestError('SHIM_BUSY', `${live} workers live; stop them first, or use force`);
    void this.stopAll().then(() => this.#options.onShutdown());
  }

  #find(id: string): Worker {
    const worker = this.#workers.get(id);
    if (worker === undefined)
      throw new RequestError('INSTANCE_UNKNOWN', `${String(id)} is not an instance of this shim`);
    return worker;
  }

  #liveWorkers(): Worker[] {
    return [...this.#workers.values()].filter((worker) => !worker.hasEnded);
  }
}

function checkInstance(instance: StartInstance | undefined): void {
  const { id, slot, port, env } = instance ?? ({} as Partial<StartInstance>);
  const problem =
    typeof id !== 'string' || !INSTANCE_ID.test(id)
      ? 'instance.id must be 1 to 128 letters, digits, ".", "_" or "-"'
      : !Number.isInteger(slot)
        ? 'instance.slot must be an integer'
        : port !== null && !(Number.isInteger(port) && port! > 0 && port! < 65_536)
          ? 'instance.port must be a port or null'
          : env === null || typeof env !== 'object' || Object.values(env).some((value) => typeof value !== 'string')
            ? 'instance.env must hold strings'
            : null;
  if (problem !== null) throw new RequestError('REQUEST_INVALID', problem);
}
