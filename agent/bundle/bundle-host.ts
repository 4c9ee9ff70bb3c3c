import { rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { backoffMs } from '../../shared/runtime/backoff.ts';
import type { Clock } from '../../shared/runtime/clock.ts';
import type { Logger } from '../../shared/runtime/logger.ts';
import type { BundleState } from '../instance/instance-view.ts';
import { isAlive, readBootId } from '../process/process-identity.ts';
import { bundlePaths, readJsonFile } from '../shim/bundle-files.ts';
import { connectShim, type ShimClient } from '../shim/client.ts';
import { cleanLeftovers, discoverShims, readExitRecords } from '../shim/discover.ts';
import { launchShim } from '../shim/launch.ts';
import { newSnapshot } from '../shim/new-snapshot.ts';
import type { Bundle, ExitRecord, ShimRecord, ShimRequest, WorkerSnapshot } from '../shim/protocol.ts';

/** For a shim that lives and does not answer (stopped, or on a host out of memory). */
const reconnectBackoff = { baseMs: 50, maxMs: 2_000 } as const;

/** An idle shim answers in a few milliseconds; adoption of all must be done in 3 s. */
const connectTimeoutMs = 2_000;

interface HostedBundle {
  readonly key: string;
  readonly directory: string;
  state: BundleState;
  client: ShimClient | null;
  readonly workers: Map<string, WorkerSnapshot>;
}

export interface BundleHostOptions {
  readonly root: string;
  readonly compileCacheDirectory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Something has changed. It must not act, only note. */
  onChange(): void;
  /** A dead shim had recorded these instances as started. */
  onWorkersLost(instanceIds: readonly string[]): void;
}

/** The shims of this host, one per bundle directory: adopts them, launches them, and knows the workers of each. */
export class BundleHost {
  readonly #options: BundleHostOptions;
  readonly #bundles = new Map<string, HostedBundle>();
  readonly #closing = new AbortController();

  constructor(options: BundleHostOptions) {
    this.#options = options;
  }

  /** Finds what an earlier agent has left and connects to every shim that lives. Resolves when each has answered or failed once. */
  async adopt(): Promise<void> {
    const connecting: Promise<void>[] = [];
    for (const found of discoverShims(this.#options.root)) {
      const hosted = this.#add(basename(found.directory), found.directory);
      if (found.state === 'alive') {
        hosted.state = 'connecting';
        connecting.push(this.#connect(hosted));
      } else {
        this.#markDead(hosted);
      }
    }
    await Promise.all(connecting);
  }

  list(): readonly { key: string; state: BundleState; workers: readonly WorkerSnapshot[] }[] {
    return [...this.#bundles.values()].map(({ key, state, workers }) => ({
      key,
      state,
      workers: [...workers.values()],
    }));
  }

  stateOf(key: string): BundleState {
    return this.#bundles.get(key)?.state ?? 'absent';
  }

  worker(key: string, instanceId: string): WorkerSnapshot | null {
    return this.#bundles.get(key)?.workers.get(instanceId) ?? null;
  }

  /**
   * How an instance ended last since this host was booted, as its shim recorded it, also while no agent was there. Null
   * when nothing is recorded.
   */
  recordedExit(key: string, instanceId: string): ExitRecord | null {
    const records = readExitRecords(join(this.#options.root, key));
    return records.findLast((exit) => exit.instanceId === instanceId && exit.bootId === readBootId()) ?? null;
  }

  /** Launches the shim of a bundle that has none. Rejects with the reason when it does not come up. */
  async open(key: string, bundle: Bundle): Promise<void> {
    const hosted = this.#bundles.get(key) ?? this.#add(key, join(this.#options.root, key));
    if (hosted.state !== 'absent') return;
    hosted.state = 'connecting';
    try {
      const link = this.#link(hosted);
      const { compileCacheDirectory } = this.#options;
      link.attach(await launchShim({ directory: hosted.directory, bundle, compileCacheDirectory, ...link }));
    } catch (error) {
      this.#markDead(hosted);
      throw error;
    }
  }

  /** @throws when the bundle has no connection, or as the shim refuses. */
  async request(key: string, request: Exclude<ShimRequest, { type: 'hello' }>): Promise<void> {
    const hosted = this.#bundles.get(key);
    const client = hosted?.client ?? null;
    if (hosted === undefined || client === null) throw new Error(`The shim of ${key} is not connected`);
    await client.request(request);
    if (request.type === 'forget') hosted.workers.delete(request.id);
    // The shim answers before it has a process to tell of. Until then the worker must not look as if it had to be started.
    if (request.type === 'start' && hosted.client === client && !hosted.workers.has(request.instance.id)) {
      hosted.workers.set(request.instance.id, newSnapshot(request.instance));
    }
    // It ends now: nothing more may be asked of it, and only its end says that it is gone.
    if (request.type === 'shutdown' && hosted.client === client) hosted.state = 'connecting';
  }

  /** Ends, by identity, what a dead shim has left. */
  async killOrphans(key: string): Promise<void> {
    for (const found of discoverShims(this.#options.root)) {
      if (basename(found.directory) !== key || found.state !== 'dead') continue;
      const survivors = await cleanLeftovers(found);
      if (survivors.length > 0) {
        throw new Error(`Processes of ${key} cannot be killed: ${survivors.map(({ pid }) => pid).join(', ')}`);
      }
    }
    const hosted = this.#bundles.get(key);
    if (hosted !== undefined) hosted.state = 'absent';
  }

  /** Drops the directory of a bundle without shim and workers. */
  remove(key: string): void {
    const hosted = this.#bundles.get(key);
    if (hosted === undefined || hosted.state !== 'absent') return;
    rmSync(hosted.directory, { recursive: true, force: true });
    this.#bundles.delete(key);
  }

  /** Leaves every shim and worker as it is. */
  close(): void {
    this.#closing.abort();
    for (const { client } of this.#bundles.values()) client?.close();
  }

  #add(key: string, directory: string): HostedBundle {
    const hosted: HostedBundle = { key, directory, state: 'absent', client: null, workers: new Map() };
    this.#bundles.set(key, hosted);
    return hosted;
  }

  async #connect(hosted: HostedBundle): Promise<void> {
    const record = this.#livingShim(hosted);
    if (record === null) {
      this.#markDead(hosted);
      return;
    }
    try {
      await this.#dial(hosted, record);
    } catch (error) {
      this.#options.logger.warn('a shim does not answer', { bundle: hosted.key, reason: (error as Error).message });
      if (hosted.client === null) void this.#reconnect(hosted);
    }
  }

  async #reconnect(hosted: HostedBundle): Promise<void> {
    const { signal } = this.#closing;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const record = this.#livingShim(hosted);
      if (record === null) {
        this.#markDead(hosted);
        return;
      }
      try {
        await this.#dial(hosted, record);
        return;
      } catch {
        await this.#options.clock.sleep(20 + backoffMs(attempt, reconnectBackoff, Math.random), signal);
      }
    }
  }

  async #dial(hosted: HostedBundle, { socketPath }: ShimRecord): Promise<void> {
    const link = this.#link(hosted);
    link.attach(await connectShim({ socketPath, timeoutMs: connectTimeoutMs, ...link }));
  }

  /** What one connection brings. Events that arrive together with the welcome come before it could be looked at. */
  #link(hosted: HostedBundle) {
    const early: WorkerSnapshot[] = [];
    let attached: ShimClient | null = null;
    return {
      onState: ({ worker }: { worker: WorkerSnapshot }) => {
        if (attached === null) early.push(worker);
        else if (hosted.client === attached) hosted.workers.set(worker.instanceId, worker);
        this.#options.onChange();
      },
      onClose: () => {
        if (this.#closing.signal.aborted || attached === null || hosted.client !== attached) return;
        hosted.client = null;
        hosted.state = 'connecting';
        void this.#reconnect(hosted);
      },
      attach: (client: ShimClient) => {
        attached = client;
        hosted.client = client;
        hosted.state = 'connected';
        hosted.workers.clear();
        for (const worker of [...client.welcome.workers, ...early]) hosted.workers.set(worker.instanceId, worker);
        this.#options.onChange();
      },
    };
  }

  #livingShim(hosted: HostedBundle): ShimRecord | null {
    const record = readJsonFile<ShimRecord>(bundlePaths(hosted.directory).shim);
    return record !== null && isAlive(record) ? record : null;
  }

  #markDead(hosted: HostedBundle): void {
    const found = discoverShims(this.#options.root).find(({ directory }) => directory === hosted.directory);
    const leftovers = found?.state === 'dead' ? found.leftovers : [];
    hosted.client = null;
    hosted.workers.clear();
    hosted.state = leftovers.length > 0 ? 'orphaned' : 'absent';
    this.#options.onWorkersLost(leftovers.map(({ instanceId }) => instanceId));
    this.#options.onChange();
  }
}
