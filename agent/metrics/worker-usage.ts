import type { Clock } from '../../shared/runtime/clock.ts';
import { createLoop, type Loop } from '../../shared/runtime/loop.ts';

export interface Usage {
  /** Cores in use. */
  readonly cpu: number;
  readonly memoryBytes: number;
}

/** Often enough for people who look on, and well below 0.1 % of a core for ten workers. */
const sampleIntervalMs = 5_000;
/** The library keeps a file of each process open for a minute otherwise, also of those that have ended. */
const forgetAfterMs = 3 * sampleIntervalMs;
const percentPerCore = 100;

export interface WorkerUsageOptions {
  readonly pids: () => readonly number[];
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

/** Processor time and memory of the workers, sampled. */
export class WorkerUsage {
  readonly #options: WorkerUsageOptions;
  readonly #loop: Loop;
  #samples = new Map<number, Usage>();

  constructor(options: WorkerUsageOptions) {
    this.#options = options;
    this.#loop = createLoop(() => this.#sample(), { intervalMs: sampleIntervalMs, onError: options.onError });
  }

  of(pid: number | null): Usage | null {
    return pid === null ? null : (this.#samples.get(pid) ?? null);
  }

  async close(): Promise<void> {
    await this.#loop.close();
    const { default: pidusage } = await import('pidusage');
    pidusage.clear();
  }

  async #sample(): Promise<void> {
    const { default: pidusage } = await import('pidusage');
    const samples = new Map<number, Usage>();
    for (const pid of this.#options.pids()) {
      try {
        const { cpu, memory } = await pidusage(pid, { maxage: forgetAfterMs });
        // Rounded, because every change is reported.
        samples.set(pid, {
          cpu: Math.round(cpu) / percentPerCore,
          memoryBytes: Math.round(memory / 1_048_576) * 1_048_576,
        });
      } catch {
        // It ended in between; its shim tells.
      }
    }
    this.#samples = samples;
  }
}
