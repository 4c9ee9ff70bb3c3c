import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { type Logger, silentLogger } from '../../runtime/logger.ts';
import type { Coordination } from '../coordination.ts';
import { answerTimeoutMs, answerWithin, type HeldLease, hold } from './hold.ts';
import { isLeaseName, leaseKeys } from './lease-keys.ts';
import { acquireLease, leaveLine, releaseLease, renewLease, standForLease } from './lease-scripts.ts';

export interface LeaseOptions {
  /** A client of the `coord` profile: one that neither queues nor repeats commands. */
  readonly redis: Redis;
  readonly name: string;
  /** At least 100. All that contend for one name must use the same. */
  readonly ttlMs: number;
  /** Who asks, for people and observers; no spaces needed, no secrets. */
  readonly identity: string;
  readonly prefix?: string;
  /** After an end that was no release nobody gets the lease for so long. Default 0; the same for all that contend. */
  readonly lockDelayMs?: number;
  /**
   * Replicas that must have acknowledged an acquire and each renewal within a sixth of the ttl; with fewer it counts as
   * unanswered. Default 0. It holds up the other commands of the same connection meanwhile.
   */
  readonly minReplicas?: number;
  /** Default `data`. With `failover` nothing is given out for one ttl after another server, or a restarted one, answers. */
  readonly guard?: Coordination['guard'];
  /** Unique per asker: then only the first in line gets the lease, and each try keeps the place in line. */
  readonly candidate?: string;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

export interface Lease {
  /**
   * One try. After a try that had no answer the next one repeats its token, so a lease that was taken without our
   * knowing is found to be ours. Never throws.
   */
  acquire(): Promise<HeldLease | NotHeld>;
  /**
   * After the last try, when nothing is held: leaves the line, and gives back what an unanswered try may have taken.
   * Never throws; without an answer within a sixth of the ttl the place in line and the lease expire.
   */
  leave(): Promise<void>;
}

export interface NotHeld {
  readonly held: false;
  /** `recovering`: Redis lost its data less than one ttl ago, so nobody gets a lease yet. */
  readonly reason: 'held' | 'recovering' | 'unreachable';
  /** When asking again may have another answer at the latest; 0 if not known. */
  readonly retryAfterMs: number;
  /** Candidates before this one; undefined for who is in no line. */
  readonly rank?: number | undefined;
}

type Answer = ['acquired', epoch: string] | ['held' | 'recovering', remainingMs: number, rank?: number];

/** Below it the margins that follow would be smaller than the resolution of timers under load. */
export const minTtlMs = 100;
/** Three looks of a candidate: one whose process is paused or gone for so long holds up nobody any more. */
const keptInLineMs = 1500;

/** A lease by name in Redis, with an epoch (fencing token) that never goes back. Protocol P1. */
export function createLease(options: LeaseOptions): Lease {
  const { redis, name, ttlMs, identity, candidate, guard = 'data', clock = systemClock } = options;
  const { minReplicas = 0, logger = silentLogger } = options;
  if (!(ttlMs >= minTtlMs)) throw new RangeError(`A lease lasts at least ${minTtlMs} ms, got ${ttlMs}`);
  if (!isLeaseName(name))
    throw new RangeError(`The name of a lease is well-formed and ends in no :epoch or :wake, got ${name}`);
  const keys = leaseKeys(name, options.prefix);
  const limitMs = limitOf(options);
  const timeoutMs = answerTimeoutMs(ttlMs);
  let unansweredToken: string | undefined;

  function ask(token: string): Promise<Answer> {
    const granting: [string, string, string] = [keys.lease, keys.epoch, keys.boot];
    if (candidate === undefined) return acquireLease.run(redis, granting, [token, limitMs, guard]);
    return standForLease.run(
      redis,
      [...granting, keys.line, keys.seen],
      [token, limitMs, guard, candidate, keptInLineMs, keys.wakeChannel],
    );
  }

  async function giveBack(token: string): Promise<void> {
    const released =
      candidate === undefined
        ? releaseLease.run(redis, [keys.lease], [token, keys.wakeChannel])
        : leaveLine.run(redis, [keys.lease, keys.line, keys.seen], [token, candidate, keys.wakeChannel]);
    try {
      await answerWithin(released, timeoutMs, clock);
      unansweredToken = undefined;
    } catch (error) {
      logger.debug('A lease may not have been given back, it will expire', { lease: name, error });
    }
  }

  return {
    async acquire() {
      const token = unansweredToken ?? `${randomUUID()} ${identity}`;
      unansweredToken = token;
      let isUnsafe = false;
      try {
        const sentAtMs = clock.monotonicMs();
        const reply = await answerWithin(ask(token), timeoutMs, clock);
        if (reply[0] !== 'acquired') {
          unansweredToken = undefined;
          return { held: false, reason: reply[0], retryAfterMs: Math.max(0, reply[1]), rank: reply[2] };
        }
        isUnsafe = minReplicas > 0;
        await answerWithin(replicate(redis, minReplicas, ttlMs), timeoutMs, clock);
        unansweredToken = undefined;
        return holdLease(options, token, Number(reply[1]), sentAtMs);
      } catch (error) {
        logger.debug('A lease could not be asked for', { lease: name, error });
        if (isUnsafe) await giveBack(token);
        return { held: false, reason: 'unreachable', retryAfterMs: 0 };
      }
    },
    async leave() {
      if (unansweredToken !== undefined || candidate !== undefined) await giveBack(unansweredToken ?? '');
    },
  };
}

/** Of the key in Redis: the delay after an end without release is part of it, the holder's trust is not. */
function limitOf({ ttlMs, lockDelayMs = 0 }: Pick<LeaseOptions, 'ttlMs' | 'lockDelayMs'>): number {
  return Math.ceil(ttlMs + lockDelayMs);
}

/** A write that too few replicas have may be lost in a failover: as if it had no answer. */
async function replicate(redis: Redis, minReplicas: number, ttlMs: number): Promise<void> {
  if (minReplicas === 0) return;
  // Redis answers with what it has before the asker gives up; 0 would be without end.
  const waitMs = Math.max(1, Math.floor(answerTimeoutMs(ttlMs) * 0.8));
  const replicas = await redis.wait(minReplicas, waitMs);
  if (replicas < minReplicas) throw new Error(`${replicas} of ${minReplicas} replicas have it`);
}

function holdLease(options: LeaseOptions, token: string, epoch: number, sentAtMs: number): HeldLease {
  const { redis, name, ttlMs, minReplicas = 0, clock = systemClock, logger = silentLogger } = options;
  const keys = leaseKeys(name, options.prefix);
  return hold({
    what: `lease ${name}`,
    epoch,
    ttlMs,
    sentAtMs,
    async renew() {
      const reply = await renewLease.run(redis, [keys.lease], [token, limitOf(options)]);
      if (reply === 'renewed') await replicate(redis, minReplicas, ttlMs);
      return reply;
    },
    async giveBack() {
      await releaseLease.run(redis, [keys.lease], [token, keys.wakeChannel]);
    },
    clock,
    logger,
  });
}
