import { type Clock, systemClock } from './clock.ts';

export interface LoopOptions {
  /** Pause between a wake-up and the run it causes; wake-ups within it share that run. Default 0. */
  readonly debounceMs?: number;
  /** Runs also when nobody woke it for this long. Without it the loop runs only when woken. */
  readonly intervalMs?: number;
  /** Told of each failed run; the loop goes on. It must not throw. */
  readonly onError: (error: unknown) => void;
  readonly clock?: Clock;
}

export interface Loop {
  /** Asks for a run. During a run it causes exactly one more, so nothing that came late is missed. */
  wake(): void;
  /** Aborts the signal of a run in progress and resolves when that run has ended; nothing runs afterwards. */
  close(): Promise<void>;
}

/** Runs `run` once at the start, then on each wake-up and interval; never two runs at once. */
export function createLoop(run: (signal: AbortSignal) => Promise<void>, options: LoopOptions): Loop {
  const { debounceMs = 0, intervalMs, onError, clock = systemClock } = options;
  const closing = new AbortController();
  let wakeUp = Promise.withResolvers<void>();
  wakeUp.resolve();

  async function rest(): Promise<void> {
    const rested = new AbortController();
    const waits = [wakeUp.promise];
    if (intervalMs !== undefined) waits.push(clock.sleep(intervalMs, rested.signal));
    await Promise.race(waits);
    rested.abort();
    if (debounceMs > 0) await clock.sleep(debounceMs, closing.signal);
  }

  async function turn(): Promise<void> {
    for (;;) {
      await rest();
      if (closing.signal.aborted) return;
      wakeUp = Promise.withResolvers<void>();
      try {
        await run(closing.signal);
      } catch (error) {
        if (!closing.signal.aborted) onError(error);
      }
      if (closing.signal.aborted) return;
    }
  }

  const finished = turn();
  return {
    wake: () => wakeUp.resolve(),
    async close() {
      closing.abort();
      wakeUp.resolve();
      await finished;
    },
  };
}
