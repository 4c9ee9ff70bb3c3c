import type { Clock } from '../../runtime/clock.ts';

/** An answer that took longer says too little about when it was given. */
const maxRoundTripMs = 100;
/** Monotonic clocks of two machines part by some 50 ms in this time at the very most; then any answer is better. */
const maxSampleAgeMs = 60_000;

/**
 * The clock of Redis as this process sees it. Ticks are timed by it, so that hosts whose own clocks differ, or jump, start
 * at the same instant: between two answers it goes on by the monotonic clock, to half a round trip exact.
 */
export class StoreTime {
  readonly #clock: Clock;
  #serverMs: number | undefined;
  #atMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds since 1970. The host's own clock until Redis has answered once. */
  nowMs(): number {
    if (this.#serverMs === undefined) return this.#clock.nowMs();
    return this.#serverMs + (this.#clock.monotonicMs() - this.#atMs);
  }

  /** Takes in an answer that names the server's time. `sentAtMs` is when it was asked for, by the monotonic clock. */
  learn(serverMs: number, sentAtMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    const roundTripMs = nowMs - sentAtMs;
    const isFresh = this.#serverMs !== undefined && nowMs - this.#atMs < maxSampleAgeMs;
    if (roundTripMs > maxRoundTripMs && isFresh) return;
    this.#serverMs = serverMs;
    this.#atMs = sentAtMs + roundTripMs / 2;
  }
}
