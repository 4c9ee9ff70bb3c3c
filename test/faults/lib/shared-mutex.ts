import { randomUUID } from 'node:crypto';

import type { Coordination } from '../../../shared/coordination/coordination.ts';
import { createLocks } from '../../../shared/coordination/lock/locks.ts';
import { asHeld } from './as-held.ts';
import type { Mutex } from './mutex.ts';

/** `careless-semaphore` counts without mistake, and tells no holder when its permit has ended. */
export type SharedKind = 'rw' | 'semaphore' | 'careless-semaphore';

/** Below the number of processes that contend, so that somebody always waits. */
export const permits = 2;
/** So that readers meet each other, and writers come between them. */
const writeShare = 0.35;

export function openSharedMutex(kind: SharedKind, coordination: Coordination, ttlMs: number): Mutex {
  if (kind === 'careless-semaphore') return carelessSemaphore(coordination, ttlMs);
  const locks = createLocks(coordination);
  if (kind === 'semaphore') {
    return {
      tryAcquire: (key) =>
        asHeld((waiting) => locks.semaphore(key, { permits }).acquire({ ttlMs, ...waiting }), 'permit'),
    };
  }
  return {
    tryAcquire(key) {
      const share = Math.random() < writeShare ? 'write' : 'read';
      const lock = share === 'write' ? locks.writeLock : locks.readLock;
      return asHeld((waiting) => lock(key, { ttlMs, ...waiting }), share);
    },
  };
}

const takePermit = `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
  redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[3])
  return redis.call('INCR', KEYS[2])`;

function carelessSemaphore({ redis, prefix }: Coordination, ttlMs: number): Mutex {
  return {
    async tryAcquire(key) {
      const name = `${prefix}:careless:${key}`;
      const holder = randomUUID();
      try {
        const epoch = Number(await redis.eval(takePermit, 2, name, `${name}:count`, permits, ttlMs, holder));
        if (epoch === 0) return 'nothing';
        const released = new AbortController();
        return {
          ...{ epoch, share: 'permit' as const, signal: released.signal, lossReason: undefined },
          assertHeld() {},
          async release() {
            released.abort();
            await redis.zrem(name, holder).catch(() => {});
          },
        };
      } catch {
        return 'unknown';
      }
    },
  };
}
