import { randomUUID } from 'node:crypto';

import type { Coordination } from '../../../shared/coordination/coordination.ts';
import { createLease } from '../../../shared/coordination/lease/lease.ts';
import { createLocks } from '../../../shared/coordination/lock/locks.ts';
import { asHeld } from './as-held.ts';
import type { Share } from './history.ts';
import { openSharedMutex, type SharedKind } from './shared-mutex.ts';

/** What the campaigns need of anything that is held with a time limit. */
export interface Mutex {
  /**
   * `refused`: another had it. `nothing`: an answer that says nothing about others. `unknown`: no answer; it may
   * have been granted all the same.
   */
  tryAcquire(key: string): Promise<Held | 'refused' | 'nothing' | 'unknown'>;
}

export interface Held {
  readonly epoch: number;
  /** Of what several may hold. */
  readonly share?: Share;
  readonly signal: AbortSignal;
  readonly lossReason: string | undefined;
  assertHeld(): void;
  release(): Promise<void>;
}

/** `careless` is what many write by hand: no deadline of the holder's own, and a release that asks for no token. */
export type MutexKind = 'lease' | 'lock' | 'careless' | SharedKind;

export async function openMutex(kind: MutexKind, coordination: Coordination, ttlMs: number): Promise<Mutex> {
  switch (kind) {
    case 'lease':
      return leaseMutex(coordination, ttlMs);
    case 'lock':
      return lockMutex(coordination, ttlMs);
    case 'careless':
      return carelessMutex(coordination, ttlMs);
    default:
      return openSharedMutex(kind, coordination, ttlMs);
  }
}

function leaseMutex(coordination: Coordination, ttlMs: number): Mutex {
  const leases = new Map<string, ReturnType<typeof createLease>>();
  return {
    async tryAcquire(key) {
      const lease = leases.get(key) ?? createLease({ ...coordination, name: key, ttlMs });
      leases.set(key, lease);
      const answer = await lease.acquire();
      if (answer.held) return answer;
      if (answer.reason === 'held') return 'refused';
      return answer.reason === 'recovering' ? 'nothing' : 'unknown';
    },
  };
}

function lockMutex(coordination: Coordination, ttlMs: number): Mutex {
  const locks = createLocks(coordination);
  return { tryAcquire: (key) => asHeld((waiting) => locks.lock(key, { ttlMs, ...waiting })) };
}

function carelessMutex({ redis, prefix }: Coordination, ttlMs: number): Mutex {
  return {
    async tryAcquire(key) {
      const name = `${prefix}:lease:${key}`;
      try {
        if ((await redis.set(name, randomUUID(), 'PX', ttlMs, 'NX')) === null) return 'refused';
        const epoch = await redis.incr(`${name}:count`);
        const released = new AbortController();
        return {
          epoch,
          signal: released.signal,
          lossReason: undefined,
          assertHeld() {},
          async release() {
            released.abort();
            await redis.del(name).catch(() => {});
          },
        };
      } catch {
        return 'unknown';
      }
    },
  };
}
