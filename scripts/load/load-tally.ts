/** What happened to the requests of one kind. */
export interface LoadFigures {
  readonly requests: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Answers by the version that the service gave for itself. */
  readonly versions: Readonly<Record<string, number>>;
  /** The first failures, for people. */
  readonly failures: readonly string[];
}

const failuresKept = 10;
/** Latencies kept for percentiles; beyond it every new one replaces an old one at random, so that memory is bounded. */
const samplesKept = 50_000;

/** Counts requests of one kind; `figures` may be read at any time. */
export class LoadTally {
  readonly #samples: number[] = [];
  readonly #versions = new Map<string, number>();
  readonly #failures: string[] = [];
  #requests = 0;
  #failed = 0;

  succeeded(elapsedMs: number, version: string): void {
    this.#requests += 1;
    this.#versions.set(version, (this.#versions.get(version) ?? 0) + 1);
    if (this.#samples.length < samplesKept) this.#samples.push(elapsedMs);
    else this.#samples[Math.floor(Math.random() * samplesKept)] = elapsedMs;
  }

  failed(what: string): void {
    this.#requests += 1;
    this.#failed += 1;
    if (this.#failures.length < failuresKept) this.#failures.push(`${new Date().toISOString().slice(11, 23)} ${what}`);
  }

  figures(): LoadFigures {
    const sorted = this.#samples.toSorted((a, b) => a - b);
    const at = (share: number) =>
      Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 10) / 10;
    return {
      requests: this.#requests,
      failed: this.#failed,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      maxMs: at(1),
      versions: Object.fromEntries(this.#versions),
      failures: [...this.#failures],
    };
  }
}
