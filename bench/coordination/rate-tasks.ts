import { randomUUID } from 'node:crypto';
import Redlock from 'redlock';

import { createCallbacks } from '../../shared/coordination/callback/callbacks.ts';
import type { Coordination } from '../../shared/coordination/coordination.ts';
import { createLocks } from '../../shared/coordination/lock/locks.ts';
import { createPortPools, type PortPools } from '../../shared/coordination/port-pool/port-pools.ts';
import type { RateTask } from './compare-rates.ts';

const lockTtlMs = 10_000;
/** Of the shape that a payment provider sends. */
const body = JSON.stringify({ id: 'evt', type: 'payment.succeeded', data: { amount: 1200, currency: 'eur' } });
const release = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

/** The bound of all lock pairs: nothing but the two commands, no epoch, no renewal, nobody that waits. */
export async function rawPair({ redis, prefix }: Coordination): Promise<RateTask> {
  const sha = (await redis.script('LOAD', release)) as string;
  return {
    async call() {
      const token = randomUUID();
      const key = `${prefix}:raw:${token}`;
      await redis.set(key, token, 'PX', lockTtlMs, 'NX');
      await redis.evalsha(sha, 1, key, token);
    },
  };
}

export function lockPair(coordination: Coordination): RateTask {
  const locks = createLocks(coordination);
  return {
    async call() {
      const lock = await locks.lock(`order:${randomUUID()}`, { ttlMs: lockTtlMs });
      await lock.release();
    },
  };
}

export function redlockPair({ redis, prefix }: Coordination): RateTask {
  const redlock = createRedlock([redis], 10);
  return {
    async call() {
      const lock = await redlock.acquire([`${prefix}:redlock:${randomUUID()}`], lockTtlMs);
      await redlock.release(lock);
    },
  };
}

/** With the scripts that the package brings. */
export function createRedlock(clients: ConstructorParameters<typeof Redlock>[0], retryCount: number): Redlock {
  const asItIs = (text: string) => text;
  return new Redlock(clients, { retryCount }, { acquireScript: asItIs, extendScript: asItIs, releaseScript: asItIs });
}

const rangeFrom = 10_000;
const rangeSize = 10_000;
const fullShare = 0.95;

/** Allocation and release of one port of a range that is 95 % full. */
export async function portPair(coordination: Coordination): Promise<{ pools: PortPools; task: RateTask }> {
  const range = { from: rangeFrom, to: rangeFrom + rangeSize - 1 };
  const pools = await createPortPools(coordination, {
    ...{ host: 'bench', pools: { adb: range }, quarantineMs: 0, checksBind: false },
  });
  const portsAtOnce = 50;
  for (let taken = 0; taken < rangeSize * fullShare; taken += portsAtOnce) await pools.allocate({ adb: portsAtOnce });
  const task: RateTask = {
    async call() {
      const allocation = await pools.allocate({ adb: 1 });
      await allocation.release();
    },
  };
  return { pools, task };
}

/** A callback that nobody has delivered before, with its answer stored. */
export function callbackPair(coordination: Coordination): RateTask {
  const { callback } = createCallbacks(coordination);
  return {
    async call() {
      await callback({ scope: 'bench', key: randomUUID(), body }, () => ({ status: 200, body: 'ok' }));
    },
  };
}
