import type { FastifyRateLimitStore, FastifyRateLimitStoreCtor } from '@fastify/rate-limit';
import type { Redis } from 'ioredis';

export interface RequestCountsOptions {
  /** Its commands should give up soon: then requests pass. */
  readonly redis: Redis;
  readonly prefix: string;
}

interface Count {
  readonly current: number;
  /** In how many ms it begins anew. */
  readonly ttl: number;
}

interface Known {
  /** Requests at all instances, as Redis said last. */
  current: number;
  /** When the count begins anew, in ms of `performance.now`. */
  endsAtMs: number;
  /** Requests here that Redis has not answered yet, and how many of them it has not been told. */
  unanswered: number;
  untold: number;
}

/** KEYS[1] count  ARGV[1] window in ms  ARGV[2] requests. Answers the count, and in how many ms it begins anew. */
const add = `
local current = redis.call('INCRBY', KEYS[1], ARGV[2])
if current == tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return { current, redis.call('PTTL', KEYS[1]) }`;

/**
 * Whoever has used less of the limit is not made to wait. The price: a burst may get past the limit by so much for each
 * other instance, because what passes there is not heard of yet. All of it is counted.
 */
const farShare = 0.1;
/** So long may pass until the others hear of such requests: all of this time together are one command. */
const tellMs = 50;
/** Of users and addresses; those that are forgotten wait once. */
const maxKnown = 10_000;

/**
 * Counts requests for all instances, in Redis. Who is near the limit waits for the count. Who is far from it passes at
 * once, by the last count that is known here, and Redis is told just after.
 */
export function requestCounts({ redis, prefix }: RequestCountsOptions): FastifyRateLimitStoreCtor {
  const known = new Map<string, Known>();

  function remember(key: string): Known {
    let seen = known.get(key);
    if (seen === undefined) {
      if (known.size === maxKnown) known.clear();
      seen = { current: 0, endsAtMs: 0, unanswered: 0, untold: 0 };
      known.set(key, seen);
    }
    return seen;
  }

  async function tell(key: string, seen: Known, windowMs: number): Promise<Count> {
    const { untold } = seen;
    seen.untold = 0;
    try {
      const [current, ttl] = (await redis.eval(add, 1, prefix + key, windowMs, untold)) as [number, number];
      seen.current = current;
      seen.endsAtMs = performance.now() + ttl;
      return { current, ttl };
    } finally {
      seen.unanswered -= untold;
    }
  }

  function tellSoon(key: string, seen: Known, windowMs: number): void {
    setTimeout(() => {
      if (seen.untold > 0) tell(key, seen, windowMs).catch(() => undefined);
    }, tellMs);
  }

  class RequestCounts implements FastifyRateLimitStore {
    incr(key: string, done: (error: Error | null, count?: Count) => void, windowMs: number, max: number): void {
      const seen = remember(key);
      const now = performance.now();
      seen.unanswered += 1;
      seen.untold += 1;
      const current = seen.current + seen.unanswered;
      if (now < seen.endsAtMs && current <= max * farShare) {
        if (seen.untold === 1) tellSoon(key, seen, windowMs);
        done(null, { current, ttl: Math.ceil(seen.endsAtMs - now) });
      } else {
        tell(key, seen, windowMs).then(
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
