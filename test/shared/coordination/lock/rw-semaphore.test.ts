import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';

import { seedBoot } from '../../../../shared/coordination/lease/seed-boot.ts';
import type { HeldLock } from '../../../../shared/coordination/lock/held-lock.ts';
import { createLocks } from '../../../../shared/coordination/lock/locks.ts';
import { openCoordination } from '../../../../shared/coordination/open-coordination.ts';
import { eventually } from '../../../support/eventually.ts';
import { startRedis } from '../../../support/redis.ts';

const prefix = 'shared';
const ttlMs = 2000;

async function start(t: TestContext, participants = 1) {
  const closes: (() => Promise<void>)[] = [];
  t.after(async () => {
    for (const close of closes) await close();
  });
  const server = await startRedis(t);
  const redis = server.client();
  await seedBoot(redis, prefix);
  const each = await Promise.all(
    Array.from({ length: participants }, async (_, index) => {
      const coordination = openCoordination({ url: server.url, identity: `host/${index}`, prefix });
      closes.push(() => coordination.close());
      await coordination.ready();
      return createLocks(coordination);
    }),
  );
  const keys = async () => (await redis.keys('*')).filter((key) => !/:(boot|epoch)$/.test(key));
  const waiting = (space: string) => redis.zcard(`${prefix}:${space}-queue:x`);
  return { server, redis, each, keys, waiting };
}

test('readers hold together, a writer alone, and none overtakes a writer that waits', async (t) => {
  const { each, waiting, keys } = await start(t, 2);
  const [a, b] = each as [(typeof each)[0], (typeof each)[0]];
  const order: string[] = [];
  const note = (what: string) => (hold: HeldLock) => {
    order.push(what);
    return hold;
  };
  const [first, second] = [await a.readLock('x', { ttlMs }), await b.readLock('x', { ttlMs })];
  assert.ok(second.token > first.token);
  const writing = b.writeLock('x', { ttlMs }).then(note('writer'));
  await eventually(async () => (await waiting('rw')) === 1);
  const thirdReading = a.readLock('x', { ttlMs }).then(note('reader'));
  await eventually(async () => (await waiting('rw')) === 2);
  const fourthReading = b.readLock('x', { ttlMs }).then(note('reader'));
  await eventually(async () => (await waiting('rw')) === 3);
  await first.release();
  assert.deepEqual(order, []);
  await second.release();
  const writer = await writing;
  assert.deepEqual(order, ['writer']);
  await assert.rejects(a.readLock('x', { ttlMs, waitMs: 0 }), { code: 'LOCK_TIMEOUT' });
  await writer.release();
  const readers = await Promise.all([thirdReading, fourthReading]);
  for (const reader of readers) reader.assert();
  for (const reader of readers) await reader.release();
  assert.deepEqual(await keys(), []);
});

test('never more than the permits are held, each with a token of its own, in the order of asking', async (t) => {
  const { each, keys } = await start(t, 3);
  let held = 0;
  let most = 0;
  const tokens = new Set<number>();
  const work = each.flatMap((participant) =>
    Array.from({ length: 6 }, async () => {
      const permit = await participant.semaphore('cpu', { permits: 2 }).acquire({ ttlMs });
      most = Math.max(most, ++held);
      tokens.add(permit.token);
      // Whoever is first stays until there is another one; after that each leaves at once.
      await eventually(() => assert.ok(most >= 2));
      held -= 1;
      await permit.release();
    }),
  );
  await Promise.all(work);
  assert.equal(most, 2);
  assert.equal(tokens.size, 18);
  assert.deepEqual(await keys(), []);
});

test('the permit of a holder that is gone comes back when its ttl is over', async (t) => {
  const { redis, each } = await start(t);
  await redis.zadd(`${prefix}:semaphore:cpu`, Date.now() + 3000, 'dead');
  await redis.hset(`${prefix}:semaphore-info:cpu`, 'dead', 'semaphore 1 host/9');
  const semaphore = each[0]!.semaphore('cpu', { permits: 1 });
  await assert.rejects(semaphore.acquire({ ttlMs, waitMs: 0 }), { code: 'LOCK_TIMEOUT' });
  await using permit = await semaphore.acquire({ ttlMs, waitMs: 10_000 });
  permit.assert();
});

test('a waiter that gives up leaves nothing, and whoever is behind it goes on', async (t) => {
  const { each, waiting, keys } = await start(t);
  const locks = each[0]!;
  const reader = await locks.readLock('x', { ttlMs });
  const giveUp = new AbortController();
  const writing = locks.writeLock('x', { ttlMs, signal: giveUp.signal });
  await eventually(async () => (await waiting('rw')) === 1);
  const reading = locks.readLock('x', { ttlMs });
  await eventually(async () => (await waiting('rw')) === 2);
  giveUp.abort(new Error('changed my mind'));
  await assert.rejects(writing, { message: 'changed my mind' });
  await (await reading).release();
  await assert.rejects(locks.writeLock('x', { ttlMs, waitMs: 100 }), { code: 'LOCK_TIMEOUT' });
  await reader.release();
  assert.deepEqual(await keys(), []);
});

test('a permit that was taken away is lost at the next renewal', async (t) => {
  const { each, redis } = await start(t);
  const permit = await each[0]!.semaphore('cpu', { permits: 1 }).acquire({ ttlMs: 600 });
  await redis.del(`${prefix}:semaphore:cpu`);
  await eventually(() => permit.signal.aborted);
  assert.equal(permit.lossReason, 'expired');
});
