import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';

import { seedBoot } from '../../../../shared/coordination/lease/seed-boot.ts';
import type { HeldLock } from '../../../../shared/coordination/lock/held-lock.ts';
import { createLocks } from '../../../../shared/coordination/lock/locks.ts';
import { openCoordination } from '../../../../shared/coordination/open-coordination.ts';
import { eventually } from '../../../support/eventually.ts';
import { startRedis } from '../../../support/redis.ts';
import { startTcpProxy } from '../../../support/tcp-proxy.ts';

const prefix = 'enemies';

async function start(t: TestContext) {
  const closes: (() => Promise<void>)[] = [];
  t.after(async () => {
    for (const close of closes) await close();
  });
  const server = await startRedis(t);
  const redis = server.client();
  await seedBoot(redis, prefix);
  const open = async (url = server.url) => {
    const coordination = openCoordination({ url, identity: `host/${closes.length}`, prefix });
    closes.push(() => coordination.close());
    await coordination.ready();
    return { coordination, locks: createLocks(coordination) };
  };
  const keys = async () => (await redis.keys('*')).filter((key) => !/:(boot|epoch|awaiting)$/.test(key));
  return { server, redis, open, keys };
}

for (const [name, take] of Object.entries({
  lock: 'lock',
  'read lock': 'readLock',
  'write lock': 'writeLock',
} as const)) {
  test(`a ${name} that is granted after its caller gave up is not left behind`, async (t) => {
    const { open, keys, server } = await start(t);
    const { locks } = await open();
    for (const isReplyAwaited of [false, true]) {
      const giving = new AbortController();
      if (isReplyAwaited) server.pause();
      const taking = locks[take]('x', { ttlMs: 60_000, signal: giving.signal });
      if (isReplyAwaited) await new Promise((resolve) => setImmediate(resolve));
      giving.abort(new Error('not wanted any more'));
      if (isReplyAwaited) server.resume();
      await assert.rejects(taking, /not wanted any more/);
      await eventually(async () => (await keys()).length === 0, { timeoutMs: 3000 });
    }
  });
}

test('a lock whose answer was lost is found again by the same call, and its release is not waited for for ever', async (t) => {
  const { open, keys, server } = await start(t);
  const proxy = await startTcpProxy(t, server);
  const { locks } = await open(`redis://127.0.0.1:${proxy.port}`);
  await (await locks.lock('warm', { ttlMs: 3000 })).release();
  proxy.dropOneReply();
  const taking = locks.lock('x', { ttlMs: 3000 });
  await eventually(async () => (await keys()).length > 0);
  proxy.reset();
  const lock = await taking;
  lock.assert();
  proxy.dropOneReply();
  await lock.release();
  proxy.reset();
  await eventually(async () => (await keys()).length === 0);
});

test('with every holder and waiter forgotten by Redis, holders learn it and nobody is let in for one ttl', async (t) => {
  const { open, redis } = await start(t);
  const [a, b] = [await open(), await open()];
  const held = [
    await a.locks.lock('x', { ttlMs: 900 }),
    await a.locks.readLock('x', { ttlMs: 900 }),
    await a.locks.semaphore('x', { permits: 1 }).acquire({ ttlMs: 900 }),
  ];
  const seen = held.map(async (lock) => {
    if (!lock.signal.aborted)
      await new Promise((resolve) => lock.signal.addEventListener('abort', resolve, { once: true }));
    return lock.lossReason;
  });
  await redis.flushall();
  const [lock, writer, permit] = await Promise.all([
    b.locks.lock('x', { ttlMs: 900, waitMs: 5000 }),
    b.locks.writeLock('x', { ttlMs: 900, waitMs: 5000 }),
    b.locks.semaphore('x', { permits: 1 }).acquire({ ttlMs: 900, waitMs: 5000 }),
  ] as const);
  assert.deepEqual(await Promise.all(seen), ['expired', 'expired', 'expired']);
  for (const got of [lock, writer, permit]) {
    assert.ok(got.token > Math.max(...held.map(({ token }) => token)));
    await got.release();
  }
});

test('a lock of a dead holder, and the place of a dead waiter, end in time also when the clock of the server went back', async (t) => {
  const { open, redis } = await start(t);
  const [a, b, c] = [await open(), await open(), await open()];
  await a.locks.lock('x', { ttlMs: 600 });
  const waiting = assert.rejects(b.locks.lock('x', { ttlMs: 600 }));
  await eventually(async () => (await redis.zcard(`${prefix}:lock-queue:x`)) === 1);
  // Both die: what they would give back stays.
  for (const { coordination } of [a, b]) coordination.redis.disconnect();
  for (const { coordination } of [a, b]) await coordination.close();
  await waiting;
  // What an hour back looks like to Redis: every end is an hour further away.
  for (const key of await redis.keys(`${prefix}:lock*`)) await redis.pexpire(key, (await redis.pttl(key)) + 3_600_000);
  await (await c.locks.lock('x', { ttlMs: 600, waitMs: 8000 })).release();
});

for (const kind of ['writeLock', 'semaphore'] as const) {
  test(`a ${kind} of a dead holder ends within its ttl also when the clock of the server went back an hour`, async (t) => {
    const { open, redis } = await start(t);
    const [a, b] = [await open(), await open()];
    // Broken numbers are allowed.
    const ttlMs = 600.5;
    const take = ({ locks }: typeof a) =>
      kind === 'writeLock'
        ? locks.writeLock('x', { ttlMs, waitMs: 3000 })
        : locks.semaphore('x', { permits: 1 }).acquire({ ttlMs, waitMs: 3000 });
    await take(a);
    await a.coordination.close();
    const space = kind === 'writeLock' ? 'rw' : 'semaphore';
    const [holder, ends] = await redis.zrange(`${prefix}:${space}:x`, '0', '0', 'WITHSCORES');
    // What an hour back looks like to Redis: every end is an hour further away.
    const later = Number(ends) + 3_600_000;
    await redis.zadd(`${prefix}:${space}:x`, later, holder!);
    for (const key of [`${prefix}:${space}:x`, `${prefix}:${space}-info:x`]) await redis.pexpireat(key, later);
    await (await take(b)).release();
  });
}

test('who waits claims what was reserved for him though no message reaches him', async (t) => {
  const { open, redis } = await start(t);
  const [a, b, c] = [await open(), await open(), await open()];
  // A participant that hears nothing: its channel ends at another client.
  b.coordination.wakeUps.listen = () => ({ ready: new Promise(() => {}), close() {} });
  const first = await a.locks.lock('x', { ttlMs: 5000 });
  const order: string[] = [];
  const note = (who: string) => (lock: HeldLock) => {
    order.push(who);
    return lock;
  };
  const waiting = b.locks.lock('x', { ttlMs: 5000 }).then(note('deaf'));
  await eventually(async () => (await redis.zcard(`${prefix}:lock-queue:x`)) === 1);
  const behind = c.locks.lock('x', { ttlMs: 5000 }).then(note('behind'));
  await eventually(async () => (await redis.zcard(`${prefix}:lock-queue:x`)) === 2);
  await first.release();
  await (await waiting).release();
  await (await behind).release();
  assert.deepEqual(order, ['deaf', 'behind']);
});
