import type { ServiceSpec } from '../../shared/contracts/spec.ts';
import type { Clock } from '../../shared/runtime/clock.ts';
import type { ProbeView } from '../instance/instance-view.ts';
import { type ProbeAnswer, probeOnce } from './probe-once.ts';

/** Until the first good answer: quickly, because a deploy waits for it, then growing to the interval of the spec. */
const firstIntervalMs = 20;
const growth = 1.6;

export interface ProberOptions {
  readonly health: ServiceSpec['health'];
  readonly address: string;
  readonly port: number;
  /** For a worker that was healthy before this agent began: since when, by the monotonic clock. */
  readonly healthySinceMs: number | null;
  readonly clock: Clock;
  /** The view has changed. It must not act, only note. */
  onChange(): void;
}

/** Watches one process of one instance until it is closed. */
export class Prober {
  readonly #options: ProberOptions;
  readonly #closing = new AbortController();
  readonly #beganAtMs: number;
  #failures = 0;
  #wasHealthy = false;
  #view: ProbeView;

  constructor(options: ProberOptions) {
    this.#options = options;
    this.#beganAtMs = options.clock.monotonicMs();
    this.#view = { verdict: 'unknown', sinceMs: this.#beganAtMs, answer: null };
    void this.#run();
  }

  get view(): ProbeView {
    return this.#view;
  }

  close(): void {
    this.#closing.abort();
  }

  async #run(): Promise<void> {
    const { health, address, port, clock } = this.#options;
    const { signal } = this.#closing;
    if (health.probe === undefined) return;
    let waitMs = firstIntervalMs;
    while (!signal.aborted) {
      const answer = await probeOnce(health.probe, { address, port, timeoutMs: health.timeoutMs });
      if (signal.aborted) return;
      this.#take(answer);
      waitMs = this.#wasHealthy ? health.intervalMs : Math.min(health.intervalMs, waitMs * growth);
      // Spread, so that many workers that began together are not asked together for ever.
      await clock.sleep(waitMs * (0.9 + 0.2 * Math.random()), signal);
    }
  }

  #take(answer: ProbeAnswer): void {
    const { healthySinceMs, clock, onChange } = this.#options;
    const nowMs = clock.monotonicMs();
    const before = this.#view;
    if (answer === null) {
      const sinceMs = this.#wasHealthy ? nowMs : (healthySinceMs ?? nowMs);
      this.#view = before.verdict === 'healthy' ? { ...before, answer } : { verdict: 'healthy', sinceMs, answer };
      this.#failures = 0;
      this.#wasHealthy = true;
    } else {
      this.#failures += 1;
      this.#view =
        before.verdict !== 'unhealthy' && this.#hasFailed(nowMs)
          ? { verdict: 'unhealthy', sinceMs: nowMs, answer }
          : { ...before, answer };
    }
    if (this.#view.verdict !== before.verdict || this.#view.answer !== before.answer) onChange();
  }

  /** A service that has just started is asked in quick succession; its failures count only when they have lasted as long as later ones would. */
  #hasFailed(nowMs: number): boolean {
    const { failures, intervalMs } = this.#options.health;
    if (this.#failures < failures) return false;
    return this.#wasHealthy || nowMs - this.#beganAtMs >= failures * intervalMs;
  }
}
