export interface BackoffOptions {
  /** Upper bound of the first delay. */
  readonly baseMs: number;
  /** Upper bound of every delay. */
  readonly maxMs: number;
}

/** 2^30 times any base is above any sensible maximum, and still exact. */
const maxDoublings = 30;

/**
 * The delay before try number `attempt` (0 is the first retry): uniform between 0 and the exponential bound ("full
 * jitter"), so that many clients that failed together do not come back together. `random` answers 0 <= n < 1.
 */
export function backoffMs(attempt: number, options: BackoffOptions, random: () => number): number {
  const boundMs = Math.min(options.maxMs, options.baseMs * 2 ** Math.min(attempt, maxDoublings));
  return Math.floor(random() * boundMs);
}
