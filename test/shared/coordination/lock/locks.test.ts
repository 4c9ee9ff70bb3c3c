import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Redis } from 'ioredis';

import { seedBoot } from '../../../../shared/coordination/lease/seed-boot.ts';
import type { HeldLock } from '../../../../shared/coordination/lock/held-lock.ts';
import { createLocks, type Locks } from '../../../../shared/coordination/lock/locks.ts';
import { type OpenCoordination, openCoordination } from '../../../../shared/coordination/open-coordination.ts';
import { eventually } from '../../../support/eventually.ts';
import type { Lifetime } from '../../../support/lifetime.ts';
import { startRedis } from '../../../support/redis.ts';

async function start(t: Lifetime) {
  const opened: OpenCoordination[] = [];
  t.after(async () => {
    for (const coordination of opened) await coordination.close();
  });
  const server = await startRedis(t);
  const redis = server.client();
  await seedBoot(redis, 'drover-services');
  return {
    redis,
    async locks(identity: string) {
      const coordination = openCoordination({ url: server.url, identity });
      opened.push(coordination);
      await coordination.ready();
      return createLocks(coordination);
    },
  };
}

const held = async (redis: Redis) => (await redis.keys('*:*order')).sort();
const left = async (redis: { keys(pattern: string): Promise<string[]> }) => (await redis.keys('*:lock*')).sort();

test('waiters get the lock in the order in which they came, each with a higher token', async (t) => {
  const { redis, locks } = await start(t);
  const a = await locks('a');
  const b = await locks('b');
  const held = await a.lock('order');
  assert.equal(await b.tryLock('order'), null);
  const order: number[] = [];
  const tokens = [held.token];
  const waiters: Promise<void>[] = [];
  for (let i = 0; i < 6; i++) {
    waiters.push(
      (i % 2 ? a : b).withLock('order', {}, async (lock) => {
        order.push(i);
        tokens.push(lock.token);
      }),
    );
    await eventually(async () => (await redis.zcard('drover-services:lock-queue:order')) === i + 1);
  }
  await held.release();
  await Promise.all(waiters);
  assert.deepEqual(order, [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(
    tokens,
    [...new Set(tokens)].sort((x, y) => x - y),
  );
  assert.deepEqual(await left(redis), []);
});

test('a wait that ends by its time or its signal leaves nothing behind', async (t) => {
  const { redis, locks } = await start(t);
  const a = await locks('a');
  const held = await a.lock('order');
  await assert.rejects(a.lock('order', { waitMs: 50 }), { code: 'LOCK_TIMEOUT' });
  const why = new Error('enough');
  const stop = new AbortController();
  const waiter = a.lock('order', { signal: stop.signal });
  await eventually(async () => (await redis.zcard('drover-services:lock-queue:order')) === 1);
  stop.abort(why);
  await assert.rejects(waiter, why);
  assert.deepEqual(await left(redis), ['drover-services:lock:order']);
  await held.release();
  assert.deepEqual(await left(redis), []);
});

test('several names in any order are taken together, without a circle of waiters', async (t) => {
  const { redis, locks } = await start(t);
  const both = [await locks('a'), await locks('b')];
  const inside = new Set<string>();
  const wanted = [['x', 'y'], ['y', 'z'], ['z', 'x'], ['x'], ['z', 'y', 'x']];
  await Promise.all(
    Array.from({ length: 30 }, (_, i) =>
      both[i % 2]!.withLock(wanted[i % wanted.length]!, {}, async () => {
        const names = wanted[i % wanted.length]!;
        for (const name of names) {
          assert.ok(!inside.has(name), `${name} is held twice`);
          inside.add(name);
        }
        await new Promise(setImmediate);
        for (const name of names) inside.delete(name);
      }),
    ),
  );
  assert.deepEqual(await left(redis), []);
});

test('an operator breaks a lock by its token alone, and the next in line gets it', async (t) => {
  const { locks } = await start(t);
  const a = await locks('a');
  const held = await a.lock('order', { ttlMs: 600 });
  await assert.rejects(a.breakLock('order', held.token - 1), { code: 'LOCK_NOT_FOUND' });
  const next = a.lock('order');
  await a.breakLock('order', held.token);
  await (await next).release();
  await eventually(() => held.signal.aborted);
});

test('an error of the body comes through as it is', async (t) => {
  const { redis, locks } = await start(t);
  const a = await locks('a');
  const mistake = new Error('business');
  await assert.rejects(
    a.withLock('order', {}, () => Promise.reject(mistake)),
    mistake,
  );
  assert.deepEqual(await left(redis), []);
});

test('of those who ask for one name in the same turn one gets it at once, the others after him, and other names are apart', async (t) => {
  const { redis, locks } = await start(t);
  const a = await locks('a');
  let inside = 0;
  const tokens: number[] = [];
  const names = Array.from({ length: 70 }, (_, index) => (index % 7 === 0 ? 'order' : `order:${index}`));
  await Promise.all(
    names.map((name) =>
      a.withLock(name, {}, async (lock) => {
        tokens.push(lock.token);
        if (name !== 'order') return;
        inside += 1;
        assert.equal(inside, 1);
        await new Promise((resolve) => setImmediate(resolve));
        inside -= 1;
      }),
    ),
  );
  assert.equal(new Set(tokens).size, names.length, 'no token twice');
  assert.deepEqual(await left(redis), []);
});

test('whatever is asked for while the locks are closed is given back, and nothing is asked for afterwards', async (t) => {
  const { redis, locks } = await start(t);
  const ask: Record<string, (locks: Locks) => Promise<HeldLock | null>> = {
    'a lock, the short way': (locks) => locks.lock('order'),
    'several names': (locks) => locks.lock(['order', 'other']),
    'one try': (locks) => locks.tryLock('order'),
    'a read lock': (locks) => locks.readLock('order'),
    'a permit': (locks) => locks.semaphore('order', { permits: 1 }).acquire(),
  };
  for (const [what, asks] of Object.entries(ask)) {
    const closing = await locks('a');
    // Its scripts are known to the server: the first to go is the question itself.
    await (await asks(closing))?.release();
    const asked = asks(closing);
    const closed = closing.close();
    const [answer] = await Promise.allSettled([asked, closed]);
    assert.equal(answer.status === 'fulfilled' && answer.value?.signal.aborted === false, false, `${what} is held`);
    assert.deepEqual(await held(redis), [], `${what} is left in Redis`);
    await assert.rejects(asks(closing), `${what} is asked for after the end`);
    assert.deepEqual(await held(redis), []);
  }
});
