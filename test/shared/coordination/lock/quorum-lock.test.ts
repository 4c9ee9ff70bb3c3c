import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';

import { seedBoot } from '../../../../shared/coordination/lease/seed-boot.ts';
import { takeQuorumEpoch } from '../../../../shared/coordination/lock/quorum-epoch.ts';
import { createQuorumLocks, type QuorumLocksOptions } from '../../../../shared/coordination/lock/quorum-lock.ts';
import { eventually } from '../../../support/eventually.ts';
import { startRedis, type TestRedis } from '../../../support/redis.ts';
import { startTcpProxy } from '../../../support/tcp-proxy.ts';

const prefix = 'quorum';
const minTtlMs = 1200;
const key = `${prefix}:quorum:work`;

async function startMasters(t: TestContext, count: number): Promise<TestRedis[]> {
  const masters = await Promise.all(Array.from({ length: count }, () => startRedis(t)));
  await Promise.all(masters.map((master) => seedBoot(master.client(), prefix)));
  return masters;
}

async function open(t: TestContext, urls: readonly string[], more: Partial<QuorumLocksOptions> = {}) {
  const locks = createQuorumLocks({ urls, identity: 'host/1', prefix, minTtlMs, ...more });
  t.after(() => locks.close());
  await locks.ready();
  return locks;
}

const urlsOf = (masters: readonly TestRedis[]) => masters.map(({ url }) => url);

for (const count of [1, 3, 5]) {
  test(`${count} independent masters: one holder at a time, and each token above the one before`, async (t) => {
    const masters = await startMasters(t, count);
    const [a, b] = [await open(t, urlsOf(masters)), await open(t, urlsOf(masters))];
    const first = await a.lock('work', { ttlMs: minTtlMs });
    first.assert();
    await assert.rejects(b.lock('work', { ttlMs: minTtlMs, waitMs: 300 }), {
      code: 'LOCK_TIMEOUT',
      details: { name: 'work', waitMs: 300, reason: 'held' },
    });
    await first.release();
    assert.equal(first.lossReason, 'closed');
    assert.throws(() => first.assert(), { code: 'LEASE_LOST' });
    await using second = await b.lock('work', { ttlMs: minTtlMs });
    assert.ok(second.token > first.token);
  });
}

test('waiters of several participants never overlap', async (t) => {
  const masters = await startMasters(t, 3);
  let holders = 0;
  let grants = 0;
  let highest = 0;
  const work = async () => {
    const locks = await open(t, urlsOf(masters));
    for (let round = 0; round < 4; round++) {
      await locks.withLock('work', { ttlMs: minTtlMs }, async (lock) => {
        assert.equal(++holders, 1);
        assert.ok(lock.token > highest);
        highest = lock.token;
        await new Promise((resolve) => setImmediate(resolve));
        grants += 1;
        holders -= 1;
      });
    }
  };
  await Promise.all([work(), work(), work()]);
  assert.equal(grants, 12);
});

test('with one of three masters killed and then another frozen in its place, locks go on', async (t) => {
  const masters = await startMasters(t, 3);
  const locks = await open(t, urlsOf(masters));
  await masters[0]!.kill();
  const first = await locks.lock('work', { ttlMs: minTtlMs });
  await first.release();
  await masters[0]!.restart();
  await seedBoot(masters[0]!.client(), prefix);
  masters[2]!.pause();
  await using second = await locks.lock('work', { ttlMs: minTtlMs });
  assert.ok(second.token > first.token);
});

test('with two of three masters killed the lock is refused within the wait time', async (t) => {
  const masters = await startMasters(t, 3);
  const locks = await open(t, urlsOf(masters));
  await Promise.all([masters[0]!.kill(), masters[1]!.kill()]);
  await assert.rejects(locks.lock('work', { ttlMs: 60_000, waitMs: 600 }), { code: 'STORE_UNREACHABLE' });
});

test('a lock that had to be waited for is whole: its ttl counts from the try that won it (defect B)', async (t) => {
  const masters = await startMasters(t, 3);
  const [a, b] = [await open(t, urlsOf(masters)), await open(t, urlsOf(masters))];
  const first = await a.lock('work', { ttlMs: minTtlMs });
  const waiting = b.lock('work', { ttlMs: minTtlMs, waitMs: 20_000 });
  const startedAtMs = performance.now();
  await eventually(() => performance.now() - startedAtMs > 1.3 * minTtlMs);
  await first.release();
  const second = await waiting;
  second.assert();
  assert.equal(second.signal.aborted, false);
  const takenAtMs = performance.now();
  await eventually(() => performance.now() - takenAtMs > 1.3 * minTtlMs);
  second.assert();
});

test('theft on a majority is noticed at the next renewal, and the thief is left alone (defect C)', async (t) => {
  const masters = await startMasters(t, 3);
  const locks = await open(t, urlsOf(masters));
  const lock = await locks.lock('work', { ttlMs: 3000 });
  const clients = masters.map((master) => master.client());
  await Promise.all(clients.slice(1).map((client) => client.set(key, 'thief')));
  await eventually(() => lock.signal.aborted);
  assert.equal(lock.lossReason, 'taken');
  await lock.release();
  assert.deepEqual(await Promise.all(clients.map((client) => client.get(key))), [null, 'thief', 'thief']);
});

test('a lock that vanished on a majority is lost, and not made anew', async (t) => {
  const masters = await startMasters(t, 3);
  const locks = await open(t, urlsOf(masters));
  const lock = await locks.lock('work', { ttlMs: minTtlMs });
  const clients = masters.map((master) => master.client());
  await Promise.all(clients.slice(1).map((client) => client.del(key)));
  await eventually(() => lock.signal.aborted);
  assert.equal(lock.lossReason, 'expired');
  assert.equal(await clients[1]!.exists(key), 0);
});

test('with all masters frozen the signal aborts before the lock can end (defect D)', async (t) => {
  const masters = await startMasters(t, 3);
  const locks = await open(t, urlsOf(masters));
  const lock = await locks.lock('work', { ttlMs: 2400 });
  for (const master of masters) master.pause();
  const endsAtMs = performance.now() + 2400;
  const abortedAtMs = await new Promise<number>((resolve) => {
    lock.signal.addEventListener('abort', () => resolve(performance.now()), { once: true });
  });
  assert.ok(abortedAtMs < endsAtMs, `${abortedAtMs - endsAtMs} ms late`);
  assert.equal(lock.lossReason, 'unreachable');
  assert.throws(() => lock.assert(), { code: 'LEASE_LOST' });
});

test('a try whose answer was lost does not block the next one (defect F)', async (t) => {
  const [master] = await startMasters(t, 1);
  const proxy = await startTcpProxy(t, { port: master!.port });
  const locks = await open(t, [`redis://127.0.0.1:${proxy.port}`]);
  // The server knows the scripts: otherwise the lost answer would be that it does not.
  await (await locks.lock('before', { ttlMs: minTtlMs })).release();
  proxy.dropOneReply();
  const lock = await locks.lock('work', { ttlMs: 60_000, waitMs: 10_000 });
  lock.assert();
});

test('the error of the body is what the caller gets, also when nothing can be released (defect I)', async (t) => {
  const masters = await startMasters(t, 3);
  const locks = await open(t, urlsOf(masters));
  const failure = new Error('out of stock');
  const result = locks.withLock('work', { ttlMs: minTtlMs }, async () => {
    await Promise.all(masters.map((master) => master.kill()));
    throw failure;
  });
  await assert.rejects(result, (error) => error === failure);
});

test('a master that came back without its data does not vote for a second holder', async (t) => {
  const masters = await startMasters(t, 3);
  const [a, b] = [await open(t, urlsOf(masters)), await open(t, urlsOf(masters))];
  masters[2]!.pause();
  const lock = await a.lock('work', { ttlMs: 5000 });
  masters[2]!.resume();
  // By now the frozen master may have taken the vote in: it is one that never heard of the lock.
  const third = masters[2]!.client();
  await eventually(async () => (await third.del(key)) === 0);
  await masters[1]!.restart();
  const error = await b.lock('work', { ttlMs: 5000, waitMs: 1000 }).catch((reason) => reason);
  assert.equal(error.code, 'LOCK_TIMEOUT');
  lock.assert();
});

test('a wall clock that jumps an hour does not end a lock', async (t) => {
  const masters = await startMasters(t, 3);
  const locks = await open(t, urlsOf(masters));
  const lock = await locks.lock('work', { ttlMs: minTtlMs });
  const startedAtMs = performance.now();
  const hour = Date.now() + 3600_000;
  t.mock.method(Date, 'now', () => hour);
  await eventually(() => performance.now() - startedAtMs > 1.3 * minTtlMs);
  lock.assert();
});

test('a waiter that is aborted, or whose locks are closed, gets that as the reason and leaves nothing', async (t) => {
  const masters = await startMasters(t, 3);
  const [a, b] = [await open(t, urlsOf(masters)), await open(t, urlsOf(masters))];
  const lock = await a.lock('work', { ttlMs: 5000 });
  const giveUp = new AbortController();
  const waiting = b.lock('work', { ttlMs: 5000, signal: giveUp.signal });
  giveUp.abort(new Error('changed my mind'));
  await assert.rejects(waiting, { message: 'changed my mind' });
  const left = b.lock('work', { ttlMs: 5000 });
  const refused = assert.rejects(left, { code: 'STORE_UNREACHABLE' });
  await b.close();
  await refused;
  await lock.release();
  await a.close();
  for (const master of masters) assert.equal(await master.client().exists(key), 0);
});

test('votes that are won while the locks are closed are given back before the connections end', async (t) => {
  const masters = await startMasters(t, 3);
  const proxies = await Promise.all(masters.map(({ port }) => startTcpProxy(t, { port })));
  const locks = await open(
    t,
    proxies.map(({ port }) => `redis://127.0.0.1:${port}`),
  );
  await (await locks.lock('work', { ttlMs: 60_000 })).release();
  // The answers to the votes are under way for long enough to close before they come.
  for (const proxy of proxies) proxy.delayBy(30);
  const asked = assert.rejects(locks.lock('work', { ttlMs: 60_000 }), { code: 'STORE_UNREACHABLE' });
  const clients = masters.map((master) => master.client());
  const holding = () => Promise.all(clients.map((client) => client.exists(key)));
  await eventually(async () => (await holding()).every((exists) => exists === 1), { intervalMs: 1 });
  await locks.close();
  await asked;
  assert.deepEqual(await holding(), [0, 0, 0]);
});

test('epochs are unique and rise, whichever majority gives them', async (t) => {
  const masters = await startMasters(t, 3);
  const clients = masters.map((master) => master.client());
  const many = await Promise.all(Array.from({ length: 5 }, () => takeQuorumEpoch(clients, 'epoch')));
  assert.equal(new Set(many).size, many.length);
  let last = Math.max(...many);
  for (const left of [0, 1, 2, 0, 1, 2]) {
    const majority = clients.filter((_, index) => index !== left);
    // A third that never answers.
    const epoch = await takeQuorumEpoch([...majority, { evalsha: () => new Promise(() => {}) } as never], 'epoch');
    assert.ok(epoch > last);
    last = epoch;
  }
  // A clock that is far ahead on one master carries the others along.
  await clients[0]!.set('epoch', `${last + 10_000_000_000}`);
  const ahead = await takeQuorumEpoch(clients.slice(0, 1), 'epoch');
  assert.ok(ahead > last + 10_000_000_000);
});

test('masters that cannot vote, and arguments that make no sense, are refused', async (t) => {
  const invalid = { code: 'ARGUMENT_INVALID' };
  for (const urls of [[], ['redis://a', 'redis://b'], Array.from({ length: 4 }, () => 'redis://a')]) {
    assert.throws(() => createQuorumLocks({ urls, identity: 'host/1' }), invalid);
  }
  const [master] = await startMasters(t, 1);
  const locks = await open(t, [master!.url]);
  await assert.rejects(locks.lock(''), invalid);
  await assert.rejects(locks.lock('a', { ttlMs: minTtlMs - 1 }), invalid);
  await assert.rejects(locks.lock('a', { ttlMs: 1500.5 }), invalid);
  await assert.rejects(locks.lock('a', { waitMs: Number.NaN }), invalid);
});
