/** Time as the rest of the code sees it, so that a test can own it. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. It may jump either way: for display and records, never for judging a lease. */
  nowMs(): number;
  /** Milliseconds of a clock that never goes back. Its zero means nothing; only differences do. */
  monotonicMs(): number;
  /** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `run` after `ms`, unless the returned function is called before. For hot paths, where a sleep costs too much. */
  schedule(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep(ms, signal) {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', finish);
        resolve();
      };
      const timer = setTimeout(finish, ms);
      signal?.addEventListener('abort', finish, { once: true });
    });
  },
  schedule(ms, run) {
    const timer = setTimeout(run, Math.max(0, ms));
    return () => clearTimeout(timer);
  },
};
