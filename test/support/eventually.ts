import { setTimeout as sleep } from 'node:timers/promises';

export interface EventuallyOptions {
  /** How long to keep trying before giving up. Default 5000. */
  readonly timeoutMs?: number;
  /** Pause between two tries. Default 20. */
  readonly intervalMs?: number;
}

/**
 * Calls `probe` until it neither throws nor answers `false`, and resolves with its answer. After `timeoutMs` it throws
 * the last failure, so that the message says what was still missing.
 */
export async function eventually<T>(
  probe: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<Exclude<T, false>> {
  const { timeoutMs = 5000, intervalMs = 20 } = options;
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    let failure: unknown;
    try {
      const answer = await probe();
      if (answer !== false) return answer as Exclude<T, false>;
      failure = new Error('the probe still answered false');
    } catch (error) {
      failure = error;
    }
    if (performance.now() >= giveUpAt) {
      const reason = failure instanceof Error ? failure.message : String(failure);
      throw new Error(`Not true after ${timeoutMs} ms: ${reason}`, { cause: failure });
    }
    await sleep(intervalMs);
  }
}
