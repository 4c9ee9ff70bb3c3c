import { DroverError } from '../../contracts/drover-error.ts';
import { childAbort } from '../../runtime/child-abort.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';

export type LossReason = 'taken' | 'expired' | 'unreachable' | 'closed';

export interface HeldLease {
  readonly held: true;
  /** The fencing token: above every epoch given out before under this name. */
  readonly epoch: number;
  /** Aborts before the lease can end, by the monotonic clock and whatever the network does; the reason is LEASE_LOST. */
  readonly signal: AbortSignal;
  /** Why the signal was aborted; undefined while the lease is held. */
  readonly lossReason: LossReason | undefined;
  /** Call before each effect: unlike the signal it also sees a pause of the whole process. @throws DroverError LEASE_LOST */
  assertHeld(): void;
  /** Gives the lease back at once; aborts the signal first. Never throws; a Redis that does not answer lets it expire. */
  release(): Promise<void>;
}

/** What was taken, and how it is kept: the holder's half is the same for leases, locks, permits and quorums. */
export interface Holding {
  /** For people: `lease controller`, `lock order:42`. */
  readonly what: string;
  readonly epoch: number;
  readonly ttlMs: number;
  /** Monotonic time at which the request that took it was sent, in ms. */
  readonly sentAtMs: number;
  /** Prolongs it by `ttlMs` from now. Rejects when there was no answer; the caller bounds the wait. */
  renew(): Promise<'renewed' | 'expired' | 'taken'>;
  /** Gives it back. Rejects when there was no answer; the caller bounds the wait. */
  giveBack(): Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Keeps something with a time limit: renews it each third of its ttl, and tells the holder to stop before it can end.
 * Protocol P1: the deadline counts from before the request was sent, on the monotonic clock.
 */
export function hold(holding: Holding): HeldLease {
  const { what, epoch, ttlMs, clock, logger } = holding;
  const lost = new AbortController();
  let lossReason: LossReason | undefined;
  let isAnswering = true;
  let trustedUntilMs = holding.sentAtMs + trustedMs(ttlMs);

  function lose(reason: LossReason): void {
    if (lossReason !== undefined) return;
    lossReason = reason;
    const message = `The ${what} (epoch ${epoch}) is no longer held: ${reason}. Stop what it allowed.`;
    lost.abort(new DroverError('LEASE_LOST', message, { details: { what, epoch, reason } }));
  }

  function loseWhenOver(): void {
    if (clock.monotonicMs() >= trustedUntilMs) lose(isAnswering ? 'expired' : 'unreachable');
  }

  async function watchDeadline(): Promise<void> {
    while (!lost.signal.aborted) {
      await clock.sleep(trustedUntilMs - clock.monotonicMs(), lost.signal);
      loseWhenOver();
    }
  }

  async function keepRenewing(): Promise<void> {
    let restMs = ttlMs / 3;
    while (!lost.signal.aborted) {
      await clock.sleep(restMs, lost.signal);
      loseWhenOver();
      if (lost.signal.aborted) return;
      const sentAtMs = clock.monotonicMs();
      try {
        const reply = await answerWithin(holding.renew(), answerTimeoutMs(ttlMs), clock, lost.signal);
        isAnswering = true;
        if (reply !== 'renewed') return lose(reply);
        // A reply that comes after the deadline proves nothing about the time between: the old deadline stands.
        loseWhenOver();
        trustedUntilMs = sentAtMs + trustedMs(ttlMs);
        restMs = ttlMs / 3;
      } catch (error) {
        if (lost.signal.aborted) return;
        isAnswering = false;
        restMs = ttlMs / 12;
        logger.debug('A renewal had no answer', { what, epoch, error });
      }
    }
  }

  async function giveBack(): Promise<void> {
    lose('closed');
    await ended;
    try {
      await answerWithin(holding.giveBack(), answerTimeoutMs(ttlMs), clock);
    } catch (error) {
      logger.debug('Not given back, will expire', { what, epoch, error });
    }
  }

  const ended = Promise.all([watchDeadline(), keepRenewing()]);
  let released: Promise<void> | undefined;
  return {
    held: true,
    epoch,
    signal: lost.signal,
    get lossReason() {
      return lossReason;
    },
    assertHeld() {
      loseWhenOver();
      lost.signal.throwIfAborted();
    },
    release() {
      released ??= giveBack();
      return released;
    },
  };
}

/** Six tries fit into one ttl, so one lost packet does not end a term. */
export function answerTimeoutMs(ttlMs: number): number {
  return ttlMs / 6;
}

/**
 * How long a holder relies on a lease, counted from before the request was sent. 1 % is for clocks that run at different
 * rates, 2 ms for rounding, and a tenth of the ttl for the holder to stop in.
 */
export function trustedMs(ttlMs: number): number {
  return ttlMs * 0.99 - 2 - Math.max(10, ttlMs / 10);
}

/** Rejects when there is no answer in time or `signal` aborts; a late answer is dropped. */
export async function answerWithin<T>(answer: Promise<T>, ms: number, clock: Clock, signal?: AbortSignal): Promise<T> {
  const answered = childAbort(signal);
  const late = clock.sleep(ms, answered.signal).then(() => {
    throw new Error(`Redis did not answer within ${ms} ms`);
  });
  answer.catch(() => {});
  late.catch(() => {});
  try {
    return await Promise.race([answer, late]);
  } finally {
    answered.abort();
  }
}
