import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { type Logger, silentLogger } from '../../runtime/logger.ts';
import { answerTimeoutMs, answerWithin, type HeldLease, hold } from './hold.ts';
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

function holdLease(options: LeaseOptions, token: string, epoch: number, sentAtMs: number): HeldLease {
  const { redis, name, ttlMs, clock = systemClock, logger = silentLogger } = options;
  const keys = leaseKeys(name, options.prefix);
  return hold({
    what: `lease ${name}`,
    epoch,
    ttlMs,
    sentAtMs,
    renew: () => renewLease.run(redis, [keys.lease], [token, ttlMs]),
    async giveBack() {
      await releaseLease.run(redis, [keys.lease], [token, keys.wakeChannel]);
    },
    clock,
    logger,
  });
}
