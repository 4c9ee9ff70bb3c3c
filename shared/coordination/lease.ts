import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { DroverError } from '../contracts/drover-error.ts';
import { childAbort } from '../runtime/child-abort.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { type Logger, silentLogger } from '../runtime/logger.ts';
import { leaseKeys } from './lease-keys.ts';
import { acquireLease, releaseLease, renewLease } from './lease-scripts.ts';

export interface LeaseOptions {
  /** A client of the `coord` profile: one that neither queues nor repeats commands. */
  readonly redis: Redis;
  readonly name: string;
  /** At least 100. All that contend for one name must use the same. */
  readonly ttlMs: number;
  /** Who asks, for people and observers; no spaces needed, no secrets. */
  readonly identity: string;
  readonly prefix?: string;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

export interface Lease {
  /**
   * One try. After a try that had no answer the next one repeats its token, so a lease that was taken without our
   * knowing is found to be ours. Never throws.
   */
  acquire(): Promise<HeldLease | NotHeld>;
}

export interface NotHeld {
  readonly held: false;
  /** `recovering`: Redis lost its data less than one ttl ago, so nobody gets a lease yet. */
  readonly reason: 'held' | 'recovering' | 'unreachable';
  /** When asking again may have another answer at the latest; 0 if not known. */
  readonly retryAfterMs: number;
}

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

/** Below it the margins that follow would be smaller than the resolution of timers under load. */
const minTtlMs = 100;

/** A lease by name in Redis, with an epoch (fencing token) that never goes back. */
export function createLease(options: LeaseOptions): Lease {
  const { redis, name, ttlMs, identity, clock = systemClock } = options;
  if (!(ttlMs >= minTtlMs)) throw new RangeError(`A lease lasts at least ${minTtlMs} ms, got ${ttlMs}`);
  const keys = leaseKeys(name, options.prefix);
  let unansweredToken: string | undefined;

  return {
    async acquire() {
      const token = unansweredToken ?? `${randomUUID()} ${identity}`;
      unansweredToken = token;
      const sentAtMs = clock.monotonicMs();
      try {
        const running = acquireLease.run(redis, [keys.lease, keys.epoch, keys.boot], [token, ttlMs]);
        const reply = await answerWithin(running, answerTimeoutMs(ttlMs), clock);
        unansweredToken = undefined;
        if (reply[0] !== 'acquired') return { held: false, reason: reply[0], retryAfterMs: reply[1] };
        return holdLease(options, token, Number(reply[1]), sentAtMs);
      } catch (error) {
        options.logger?.debug('A lease could not be asked for', { lease: name, error });
        return { held: false, reason: 'unreachable', retryAfterMs: 0 };
      }
    },
  };
}

function holdLease(options: LeaseOptions, token: string, epoch: number, acquiredAtMs: number): HeldLease {
  const { redis, name, ttlMs, clock = systemClock, logger = silentLogger } = options;
  const keys = leaseKeys(name, options.prefix);
  const lost = new AbortController();
  let lossReason: LossReason | undefined;
  let isAnswering = true;
  let trustedUntilMs = acquiredAtMs + trustedMs(ttlMs);

  function lose(reason: LossReason): void {
    if (lossReason !== undefined) return;
    lossReason = reason;
    const message = `The lease ${name} (epoch ${epoch}) is no longer held: ${reason}. Stop what it allowed.`;
    lost.abort(new DroverError('LEASE_LOST', message, { details: { lease: name, epoch, reason } }));
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
        const running = renewLease.run(redis, [keys.lease], [token, ttlMs]);
        const reply = await answerWithin(running, answerTimeoutMs(ttlMs), clock, lost.signal);
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
        logger.debug('A lease was not renewed', { lease: name, epoch, error });
      }
    }
  }

  async function giveBack(): Promise<void> {
    lose('closed');
    await ended;
    try {
      const running = releaseLease.run(redis, [keys.lease], [token, keys.wakeChannel]);
      await answerWithin(running, answerTimeoutMs(ttlMs), clock);
    } catch (error) {
      logger.debug('A lease was not released and will expire', { lease: name, epoch, error });
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
function answerTimeoutMs(ttlMs: number): number {
  return ttlMs / 6;
}

/**
 * How long a holder relies on a lease, counted from before the request was sent. 1 % is for clocks that run at different
 * rates, 2 ms for rounding, and a tenth of the ttl for the holder to stop in.
 */
function trustedMs(ttlMs: number): number {
  return ttlMs * 0.99 - 2 - Math.max(10, ttlMs / 10);
}

/** Rejects when there is no answer in time or `signal` aborts; a late answer is dropped. */
async function answerWithin<T>(answer: Promise<T>, ms: number, clock: Clock, signal?: AbortSignal): Promise<T> {
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
