import type { Clock } from './clock.ts';

interface Sleeper {
  readonly wakeAtMs: number;
  readonly wake: () => void;
}

/** A clock that moves only when told to. Wall and monotonic time advance together; `jump` moves the wall clock alone. */
export class FakeClock implements Clock {
  #monotonicMs = 0;
  #wallOffsetMs: number;
  readonly #sleepers = new Set<Sleeper>();

  constructor(nowMs = 0) {
    this.#wallOffsetMs = nowMs;
  }

  nowMs(): number {
    return this.#wallOffsetMs + this.#monotonicMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  /** How many sleeps have not ended; lets a test wait until the code under test has come to rest. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper: Sleeper = {
        wakeAtMs: this.#monotonicMs + ms,
        wake: () => {
          this.#sleepers.delete(sleeper);
          signal?.removeEventListener('abort', sleeper.wake);
          resolve();
        },
      };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', sleeper.wake, { once: true });
    });
  }

  schedule(ms: number, run: () => void): () => void {
    const sleeper: Sleeper = {
      wakeAtMs: this.#monotonicMs + ms,
      wake: () => {
        this.#sleepers.delete(sleeper);
        run();
      },
    };
    this.#sleepers.add(sleeper);
    return () => this.#sleepers.delete(sleeper);
  }

  /** Moves time on by `ms`, waking sleepers in the order of their time and letting each run before the next. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#monotonicMs + ms;
    for (;;) {
      const next = [...this.#sleepers].sort((a, b) => a.wakeAtMs - b.wakeAtMs)[0];
      if (next === undefined || next.wakeAtMs > untilMs) break;
      this.#monotonicMs = Math.max(this.#monotonicMs, next.wakeAtMs);
      next.wake();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#monotonicMs = untilMs;
  }

  /** Moves the wall clock by `ms`, either way, as an operator or NTP would. */
  jump(ms: number): void {
    this.#wallOffsetMs += ms;
  }
}
