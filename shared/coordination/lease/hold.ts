import { DroverError } from '../../contracts/drover-error.ts';
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
  giveBack(): Promise<unknown>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Keeps something with a time limit: renews it each third of its ttl, and tells the holder to stop before it can end.
 * Protocol P1: the deadline counts from before the request was sent, on the monotonic clock. What is given back before
 * its first renewal costs one timer and no signal.
 */
export function hold(holding: Holding): HeldLease {
  return new Hold(holding);
}

class Hold implements HeldLease {
  readonly held = true;
  readonly epoch: number;
  readonly #holding: Holding;
  #trustedUntilMs: number;
  #isAnswering = true;
  #lossReason: LossReason | undefined;
  /** Made when somebody asks for the signal. */
  #lost: AbortController | undefined;
  #cancelTimer: () => void;
  #released: Promise<void> | undefined;

  constructor(holding: Holding) {
    this.#holding = holding;
    this.epoch = holding.epoch;
    this.#trustedUntilMs = holding.sentAtMs + trustedMs(holding.ttlMs);
    this.#cancelTimer = this.#schedule(holding.ttlMs / 3, this.#renew);
  }

  get signal(): AbortSignal {
    if (this.#lost === undefined) {
      this.#lost = new AbortController();
      if (this.#lossReason !== undefined) this.#lost.abort(this.#lossError());
    }
    return this.#lost.signal;
  }

  get lossReason(): LossReason | undefined {
    return this.#lossReason;
  }

  // A property, because it is handed on alone.
  readonly assertHeld = (): void => {
    this.#loseWhenOver();
    if (this.#lossReason !== undefined) throw this.#lost?.signal.reason ?? this.#lossError();
  };

  readonly release = (): Promise<void> => {
    this.#released ??= this.#giveBack();
    return this.#released;
  };

  #giveBack(): Promise<void> {
    const { what, epoch, ttlMs, clock, logger } = this.#holding;
    this.#lose('closed');
    return answerWithin(this.#holding.giveBack(), answerTimeoutMs(ttlMs), clock).then(
      () => {},
      (error) => logger.debug('Not given back, will expire', { what, epoch, error }),
    );
  }

  /** Whatever is to be done next, the deadline is looked at when it comes. */
  #schedule(ms: number, act: () => void): () => void {
    const { clock } = this.#holding;
    const untilEndMs = this.#trustedUntilMs - clock.monotonicMs();
    if (untilEndMs > ms) return clock.schedule(ms, act);
    return clock.schedule(untilEndMs, () => {
      this.#loseWhenOver();
      // Timers may come a little early.
      if (this.#lossReason === undefined) this.#cancelTimer = this.#schedule(ms - untilEndMs, act);
    });
  }

  readonly #renew = async (): Promise<void> => {
    const { what, epoch, ttlMs, clock, logger } = this.#holding;
    this.#loseWhenOver();
    if (this.#lossReason !== undefined) return;
    const sentAtMs = clock.monotonicMs();
    // Nothing else is due while the answer is under way, but the end.
    this.#cancelTimer = this.#schedule(ttlMs, () => {});
    let restMs = ttlMs / 3;
    try {
      const reply = await answerWithin(this.#holding.renew(), answerTimeoutMs(ttlMs), clock);
      if (this.#lossReason !== undefined) return;
      this.#isAnswering = true;
      if (reply !== 'renewed') return this.#lose(reply);
      // A reply that comes after the deadline proves nothing about the time between: the old deadline stands.
      this.#loseWhenOver();
      if (this.#lossReason !== undefined) return;
      this.#trustedUntilMs = sentAtMs + trustedMs(ttlMs);
    } catch (error) {
      if (this.#lossReason !== undefined) return;
      this.#isAnswering = false;
      restMs = ttlMs / 12;
      logger.debug('A renewal had no answer', { what, epoch, error });
    }
    this.#cancelTimer();
    this.#cancelTimer = this.#schedule(restMs, this.#renew);
  };

  #loseWhenOver(): void {
    if (this.#holding.clock.monotonicMs() >= this.#trustedUntilMs)
      this.#lose(this.#isAnswering ? 'expired' : 'unreachable');
  }

  #lose(reason: LossReason): void {
    if (this.#lossReason !== undefined) return;
    this.#lossReason = reason;
    this.#cancelTimer();
    this.#lost?.abort(this.#lossError());
  }

  #lossError(): DroverError {
    const { what, epoch } = this.#holding;
    const reason = this.#lossReason;
    const message = `The ${what} (epoch ${epoch}) is no longer held: ${reason}. Stop what it allowed.`;
    return new DroverError('LEASE_LOST', message, { details: { what, epoch, reason } });
  }
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
export function answerWithin<T>(answer: Promise<T>, ms: number, clock: Clock, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      cancel();
      reject(new Error('Redis was not waited for any more'));
    };
    const cancel = clock.schedule(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      reject(new Error(`Redis did not answer within ${ms} ms`));
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    const settle = () => {
      cancel();
      signal?.removeEventListener('abort', onAbort);
    };
    answer.then(
      (value) => {
        settle();
        resolve(value);
      },
      (error) => {
        settle();
        reject(error);
      },
    );
  });
}
