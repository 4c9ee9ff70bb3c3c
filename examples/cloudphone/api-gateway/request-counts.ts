import type { FastifyRateLimitStore, FastifyRateLimitStoreCtor } from '@fastify/rate-limit';
import type { Redis } from 'ioredis';

export interface RequestCountsOptions {
  /** Its commands should give up soon: then requests pass. */
  readonly redis: Redis;
  readonly prefix: string;
}

interface Known {
  /** All instances together, as Redis said last. */
  current: number;
  /** Those of this instance that Redis has not answered yet. */
  asked: number;
  /** When the count begins anew, in ms of `performance.now`. */
  endsAtMs: number;
}

/** KEYS[1] count  ARGV[1] window in ms. Answers the count, and when it begins anew, in ms. */
const countOne = `
local current = redis.call('INCR', KEYS[1])
if current == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return { current, redis.call('PTTL', KEYS[1]) }`;

/** Whoever has used less of the limit is not made to wait. Up to ten instances that each do so keep to the limit together. */
const farShare = 0.1;
/** Of users and addresses; those that are forgotten wait once. */
const maxKnown = 10_000;

/**
 * Counts requests for all instances, in Redis. Who is far from the limit passes at once, by the last count that Redis gave,
 * while the next one is on its way; who is near waits for it, and nobody gets past the limit.
 */
export function requestCounts({ redis, prefix }: RequestCountsOptions): FastifyRateLimitStoreCtor {
  const known = new Map<string, Known>();

  async function ask(key: string, windowMs: number): Promise<{ current: number; ttl: number }> {
    const seen = remember(key);
    seen.asked += 1;
    try {
      const [current, ttl] = (await redis.eval(countOne, 1, prefix + key, windowMs)) as [number, number];
      Object.assign(seen, { current, endsAtMs: performance.now() + ttl });
      return { current, ttl };
    } finally {
      seen.asked -= 1;
    }
  }

  function remember(key: string): Known {
    let seen = known.get(key);
    if (seen === undefined) {
      if (known.size === maxKnown) known.clear();
      seen = { current: 0, asked: 0, endsAtMs: 0 };
      known.set(key, seen);
    }
    return seen;
  }

  class RequestCounts implements FastifyRateLimitStore {
    incr(...[key, done, windowMs, max]: Parameters<FastifyRateLimitStore['incr']>): void {
      const { current, asked, endsAtMs } = remember(key);
      const now = performance.now();
      const here = current + asked + 1;
      const isFar = endsAtMs > now && here <= max * farShare;
      const counted = ask(key, windowMs);
      if (isFar) {
        counted.catch(() => undefined);
        done(null, { current: here, ttl: Math.ceil(endsAtMs - now) });
      } else {
        counted.then(
          (count) => done(null, count),
          (error: Error) => done(error),
        );
      }
    }

    /** All routes count together. */
    child(): this {
      return this;
    }
  }
  return RequestCounts;
}
