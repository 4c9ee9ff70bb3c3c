import type { RestartPolicy } from '../../shared/contracts/spec.ts';

/** The longest pause of the exponential backoff, and the factor by which it grows, as PM2's users know them. */
const BACKOFF_LIMIT_MS = 15_000;
const BACKOFF_FACTOR = 1.5;

/** A worker that stayed up this long has recovered: the next backoff begins at its first delay again. */
const BACKOFF_RESET_UPTIME_MS = 30_000;

/** What the policy remembers of an instance between two exits. */
export interface RestartHistory {
  /** Unstable exits in a row. */
  readonly unstableRestarts: number;
  /** The backoff applied last; 0 when none is. */
  readonly backoffMs: number;
}

export const NO_RESTARTS: RestartHistory = { unstableRestarts: 0, backoffMs: 0 };

/** How a worker ended. */
export interface ExitFacts {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly uptimeMs: number;
  /** Whether this run of the worker had become ready. */
  readonly wasReady: boolean;
  /** Whether any run of this instance had. */
  readonly instanceWasReady: boolean;
  /** Ready means more here than to run for `minUptimeMs`: a message, or a port. */
  readonly awaitsReady: boolean;
  /** We ended it ourselves for a reason that is no crash (memory limit, restart on request). */
  readonly planned: boolean;
}

export type RestartDecision =
  | { readonly kind: 'restart'; readonly afterMs: number; readonly history: RestartHistory }
  | { readonly kind: 'give-up'; readonly reason: GiveUpReason; readonly history: RestartHistory };

/**
 * - `failed-first-start`: a fail-fast instance ended before it was ever ready
 * - `no-autorestart`: the spec wants no restart
 * - `stop-exit-code`: it ended with a code that means "stay down"
 * - `too-many-restarts`: `maxRestarts` unstable exits in a row
 */
export type GiveUpReason = 'failed-first-start' | 'no-autorestart' | 'stop-exit-code' | 'too-many-restarts';

/** Whether the policy lets a worker that has ended so stay down; null is an end by a signal. */
export function staysDown({ autorestart, stopExitCodes }: RestartPolicy, code: number | null): boolean {
  return !autorestart || (code !== null && stopExitCodes.includes(code));
}

/**
 * Decides what follows an exit. An exit is unstable when the run never became ready or was up for less than
 * `minUptimeMs`; a stable run starts the count anew. A planned end restarts at once and counts for nothing.
 */
export function decideRestart(
  policy: RestartPolicy,
  history: RestartHistory,
  exit: ExitFacts,
  failFast: boolean,
): RestartDecision {
  if (exit.planned) return { kind: 'restart', afterMs: 0, history };
  // A program that is to run once may have done so before it would have counted as ready.
  const hasRun = exit.code === 0 && !exit.awaitsReady && staysDown(policy, exit.code);
  if (failFast && !exit.instanceWasReady && !hasRun) {
    return { kind: 'give-up', reason: 'failed-first-start', history };
  }
  if (staysDown(policy, exit.code)) {
    return { kind: 'give-up', reason: policy.autorestart ? 'stop-exit-code' : 'no-autorestart', history };
  }

  const stable = exit.wasReady && exit.uptimeMs >= policy.minUptimeMs;
  const unstableRestarts = stable ? 0 : history.unstableRestarts + 1;
  if (!stable && unstableRestarts >= policy.maxRestarts) {
    return { kind: 'give-up', reason: 'too-many-restarts', history: { ...history, unstableRestarts } };
  }
  const backoffMs = nextBackoffMs(policy.expBackoffRestartDelayMs, history.backoffMs, exit.uptimeMs);
  return {
    kind: 'restart',
    afterMs: policy.expBackoffRestartDelayMs > 0 ? backoffMs : policy.restartDelayMs,
    history: { unstableRestarts, backoffMs },
  };
}

function nextBackoffMs(firstMs: number, previousMs: number, uptimeMs: number): number {
  if (firstMs <= 0) return 0;
  if (previousMs === 0 || uptimeMs >= BACKOFF_RESET_UPTIME_MS) return Math.min(firstMs, BACKOFF_LIMIT_MS);
  return Math.min(Math.floor(previousMs * BACKOFF_FACTOR), BACKOFF_LIMIT_MS);
}
