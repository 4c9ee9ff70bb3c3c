import assert from 'node:assert/strict';
import { test } from 'node:test';

import { seedBoot } from '../../../../shared/coordination/lease/seed-boot.ts';
import { createLocks } from '../../../../shared/coordination/lock/locks.ts';
import { type OpenCoordinationOptions, openCoordination } from '../../../../shared/coordination/open-coordination.ts';
import { eventually } from '../../../support/eventually.ts';
import type { Lifetime } from '../../../support/lifetime.ts';
import { startRedis } from '../../../support/redis.ts';

const prefix = 'drover-services';

async function start(t: Lifetime, options: Partial<OpenCoordinationOptions> = {}) {
  const server = await startRedis(t, { appendonly: true });
  const redis = server.client();
  await seedBoot(redis, prefix, options.guard);
  const open = async (identity: string) => {
    const coordination = openCoordination({ url: server.url, identity, ...options });
    t.after(() => coordination.close());
    await coordination.ready();
    return { coordination, locks: createLocks(coordination) };
  };
  return { server, redis, open };
}

/** As kill -9 would: nothing is given back, and nothing is heard any more. */
function die({ coordination }: Awaited<ReturnType<Awaited<ReturnType<typeof start>>['open']>>): void {
  coordination.redis.disconnect();
}

test('a waiter that has died is passed over, and so is one that does not claim what was reserved for it', async (t) => {
  const { redis, open } = await start(t);
  const [a, b, c] = [await open('a'), await open('b'), await open('c')];
  const held = await a.locks.lock('x');
  b.locks.lock('x').catch(() => {});
  await eventually(async () => (await redis.zcard(`${prefix}:lock-queue:x`)) === 1);
  const behind = c.locks.lock('x', { waitMs: 20_000 });
  await eventually(async () => (await redis.zcard(`${prefix}:lock-queue:x`)) === 2);
  die(b);
  // Reserved for b, which is dead and does not claim it.
  await held.release();
  const lock = await behind;
  assert.ok(lock.token > held.token);
  await lock.release();
});

test('after an end that was no release nobody gets the lock for the delay; after a release at once', async (t) => {
  const { open } = await start(t);
  const [a, b] = [await open('a'), await open('b')];
  const released = await a.locks.lock('x', { ttlMs: 400, lockDelayMs: 60_000 });
  await released.release();
  const dead = await a.locks.lock('x', { ttlMs: 400, lockDelayMs: 1500 });
  const startedAt = performance.now();
  die(a);
  const lock = await b.locks.lock('x', { ttlMs: 400, lockDelayMs: 1500, waitMs: 10_000 });
  assert.ok(performance.now() - startedAt >= 1500, 'the delay was kept');
  assert.ok(lock.token > dead.token);
  await lock.release();
});

test('what too few replicas have is not held, and nothing of it stays', async (t) => {
  const { redis, open } = await start(t, { minReplicas: 1 });
  const a = await open('a');
  const asking = [
    a.locks.lock('x', { ttlMs: 600, waitMs: 400 }),
    a.locks.readLock('x', { ttlMs: 600, waitMs: 400 }),
    a.locks.tryLock('y', { ttlMs: 600 }),
  ];
  await Promise.all(asking.map((each) => assert.rejects(each, { code: 'STORE_UNREACHABLE' })));
  await eventually(async () => assert.deepEqual(await redis.keys(`${prefix}:*:[xy]`), []));
});

test('under the guard for failovers a restarted server gives nothing out for one ttl, though it kept its data', async (t) => {
  const { server, open } = await start(t, { guard: 'failover' });
  const [a, b] = [await open('a'), await open('b')];
  // Long enough that its holder is not cut off from the server for all of it while that starts.
  const held = await a.locks.lock('x', { ttlMs: 15_000 });
  // From before the server starts: how much of the time is over when the connection is there again is chance.
  const startedAt = performance.now();
  await server.restart();
  await eventually(() => b.coordination.state === 'ready');
  const other = await b.locks.lock('y', { ttlMs: 1500, waitMs: 10_000 });
  assert.ok(performance.now() - startedAt >= 1500, 'it waited');
  held.assert();
  await Promise.all([held.release(), other.release()]);
});

test('a lock that was taken away is lost at the next renewal, and the thief is left alone', async (t) => {
  const { redis, open } = await start(t);
  const a = await open('a');
  const held = await a.locks.lock('x', { ttlMs: 600 });
  const thief = 'thief 9007199254740991 thief 60000';
  await redis.set(`${prefix}:lock:x`, thief, 'PX', 60_000);
  await eventually(() => assert.equal(held.lossReason, 'taken'));
  assert.throws(() => held.assert(), { code: 'LEASE_LOST' });
  assert.equal(held.signal.aborted, true);
  await held.release();
  assert.equal(await redis.get(`${prefix}:lock:x`), thief);
});
