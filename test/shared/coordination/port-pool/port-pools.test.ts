import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { test } from 'node:test';

import { seedBoot } from '../../../../shared/coordination/lease/seed-boot.ts';
import { openCoordination } from '../../../../shared/coordination/open-coordination.ts';
import { listOrphans, reclaimOrphan } from '../../../../shared/coordination/port-pool/confirm-orphans.ts';
import { portKeys } from '../../../../shared/coordination/port-pool/port-keys.ts';
import { createPortPools, type PortPoolsOptions } from '../../../../shared/coordination/port-pool/port-pools.ts';
import { eventually } from '../../../support/eventually.ts';
import type { Lifetime } from '../../../support/lifetime.ts';
import { ownPort } from '../../../support/own-port.ts';
import { startRedis } from '../../../support/redis.ts';

const address = '127.0.0.1';

async function startHost(t: Lifetime) {
  const closers: (() => Promise<void>)[] = [];
  t.after(async () => {
    for (const close of closers.reverse()) await close();
  });
  const server = await startRedis(t);
  const base = await ownPort(14);
  const open = async (options: Partial<PortPoolsOptions> = {}) => {
    const coordination = openCoordination({ url: server.url, identity: 'host/test' });
    closers.push(() => coordination.close());
    await coordination.ready();
    await seedBoot(coordination.redis, coordination.prefix);
    const pools = await createPortPools(coordination, {
      host: 'h1',
      pools: { adb: { from: base, to: base + 9 }, webrtc: { from: base + 10, to: base + 13 } },
      bindAddress: address,
      ...options,
    });
    closers.push(() => pools.close());
    return { pools, coordination };
  };
  return { server, open, base };
}

async function listen(t: Lifetime, port: number): Promise<Server> {
  const server = createServer();
  server.listen({ port, host: address });
  await once(server, 'listening');
  t.after(() => void server.close());
  return server;
}

test('ports of several pools are given all or none, and usage counts every port once', async (t) => {
  const { open, base } = await startHost(t);
  const { pools } = await open();
  const both = await pools.allocate({ adb: 2, webrtc: 3 }, { owner: 'emulator-1' });
  assert.deepEqual([both.ports.adb?.length, both.ports.webrtc?.length], [2, 3]);
  await assert.rejects(pools.allocate({ adb: 1, webrtc: 2 }), (error: { code: string; details: object }) => {
    assert.equal(error.code, 'PORTS_EXHAUSTED');
    const expected = { host: 'h1', pool: 'webrtc', size: 4, leased: 3, quarantined: 0, foreign: 0, orphaned: 0 };
    assert.deepEqual(error.details, { ...expected, nextFreeInMs: null });
    return true;
  });
  await assert.rejects(pools.allocate({ adb: 1, scrcpy: 1 }), { code: 'POOL_NOT_FOUND' });
  const [adb, webrtc] = (await pools.usage()).sort((a, b) => a.from - b.from);
  assert.deepEqual([adb?.from, adb?.free, adb?.leased], [base, 8, 2]);
  assert.deepEqual([webrtc?.free, webrtc?.leased, webrtc?.size], [1, 3, 4]);
  await both.release();
  assert.ok(both.signal.aborted);
  const after = (await pools.usage()).find(({ pool }) => pool === 'adb');
  assert.deepEqual([after?.free, after?.quarantined, after?.leased], [8, 2, 0]);
});

test('the same request has the same ports, also for a process that did not hear the reply', async (t) => {
  const { open } = await startHost(t);
  const { pools } = await open();
  const [a, b] = await Promise.all([
    pools.allocate({ adb: 1 }, { requestId: 'request-1' }),
    pools.allocate({ adb: 1 }, { requestId: 'request-1' }),
  ]);
  assert.deepEqual(a.ports, b.ports);
  assert.equal((await pools.usage()).find(({ pool }) => pool === 'adb')?.leased, 1);
});

test('a port that a stranger listens on is passed over in the same call, and left alone', async (t) => {
  const { open, base } = await startHost(t);
  await listen(t, base);
  await listen(t, base + 11);
  const { pools } = await open();
  const taken = await pools.allocate({ adb: 1, webrtc: 3 });
  assert.deepEqual(taken.ports, { adb: [base + 1], webrtc: [base + 10, base + 12, base + 13] });
  const usage = (await pools.usage()).map(({ foreign }) => foreign);
  assert.deepEqual(usage, [1, 1]);
  await taken.release();
});

test('a stranger that takes datagrams is seen in a pool of UDP, and in no other', async (t) => {
  const { open, base } = await startHost(t);
  const stranger = createSocket('udp4').bind(base, address);
  await once(stranger, 'listening');
  t.after(() => void stranger.close());
  const { pools: plain } = await open();
  const first = await plain.allocate({ adb: 1 });
  assert.deepEqual(first.ports, { adb: [base] });
  await plain.close();
  const { pools } = await open({ host: 'h2', pools: { adb: { from: base, to: base + 9, udp: true } } });
  assert.deepEqual((await pools.allocate({ adb: 1 })).ports, { adb: [base + 1] });
  assert.equal((await pools.usage())[0]?.foreign, 1);
});

test('strangers on all ports undo the allocation as a whole', async (t) => {
  const { open, base } = await startHost(t);
  for (let port = base + 10; port <= base + 13; port++) await listen(t, port);
  const { pools } = await open();
  await assert.rejects(pools.allocate({ adb: 3, webrtc: 1 }), { code: 'PORTS_EXHAUSTED' });
  const adb = (await pools.usage()).find(({ pool }) => pool === 'adb');
  assert.deepEqual([adb?.free, adb?.leased], [10, 0]);
});

test('ports of a dead participant stay taken while somebody listens, and come back when nobody does', async (t) => {
  const { open, server, base } = await startHost(t);
  const { pools: dying } = await open({ ownerTtlMs: 300, quarantineMs: 0 });
  const lost = await dying.allocate({ adb: 1 }, { owner: 'emulator-1' });
  const survivor = await listen(t, lost.ports.adb![0]!);
  await dying.close();
  assert.equal((await dying.usage()).find(({ pool }) => pool === 'adb')?.orphaned, 1);

  const { pools } = await open({ ownerTtlMs: 300, quarantineMs: 0 });
  const rest = await pools.allocate({ adb: 9 });
  const keys = portKeys('drover-services', 'h1');
  const looks = server.client();
  // Three heartbeats have looked at it and left it: each says anew until when the participant lives.
  const [living] = await looks.zrange(keys.participants, '-1', '-1');
  const seen = new Set<string | null>();
  await eventually(async () => seen.add(await looks.zscore(keys.participants, living!)).size > 4);
  await assert.rejects(pools.allocate({ adb: 1 }), { code: 'PORTS_EXHAUSTED' });
  assert.equal((await pools.usage()).find(({ pool }) => pool === 'adb')?.orphaned, 1);

  survivor.close();
  const again = await eventually(() => pools.allocate({ adb: 1 }));
  assert.deepEqual(again.ports, lost.ports);
  assert.ok(again.ports.adb![0]! >= base);
  await rest.release();
});

test('a restarted service adopts what its device still uses, with a higher token', async (t) => {
  const { open } = await startHost(t);
  const { pools: before } = await open({ ownerTtlMs: 300 });
  const lost = await before.allocate({ adb: 1, webrtc: 1 }, { owner: 'emulator-1' });
  await listen(t, lost.ports.adb![0]!);
  await before.close();
  const { pools } = await open({ ownerTtlMs: 1500 });
  const mine = await pools.adopt({ owner: 'emulator-1' });
  assert.deepEqual(mine.ports, lost.ports);
  assert.ok(mine.token > lost.token);
  mine.assertHeld();
  await assert.rejects(pools.adopt({ id: 'nobody-has-this' }), { code: 'ALLOCATION_NOT_FOUND' });
  await mine.release();
});

test('an owner gets its ports again, even while they rest, unless another had them', async (t) => {
  const { open } = await startHost(t);
  const { pools } = await open();
  const sticky = { owner: 'emulator-1', sticky: true };
  const first = await pools.allocate({ adb: 2 }, sticky);
  await first.release();
  const other = await pools.allocate({ adb: 2 });
  const second = await pools.allocate({ adb: 2 }, sticky);
  assert.deepEqual(second.ports, first.ports);
  assert.notDeepEqual(other.ports, first.ports);
});

test('an owner whose memory has run out gets what has rested longest, and is remembered for seven days again', async (t) => {
  const { open, server, base } = await startHost(t);
  const { pools } = await open();
  const sticky = { owner: 'emulator-1', sticky: true };
  await (await pools.allocate({ adb: 1 }, sticky)).release();
  const redis = server.client();
  const memory = `${portKeys('drover-services', 'h1').sticky}emulator-1`;
  const dayMs = 24 * 3_600_000;
  const leftMs = await redis.pttl(memory);
  assert.ok(leftMs > 6.9 * dayMs && leftMs <= 7 * dayMs, `${leftMs} ms`);
  await redis.pexpire(memory, 1);
  await eventually(async () => (await redis.exists(memory)) === 0);
  const next = await pools.allocate({ adb: 1 }, sticky);
  assert.deepEqual(next.ports, { adb: [base + 1] });
  await next.release();
  const again = await pools.allocate({ adb: 1 }, sticky);
  assert.deepEqual(again.ports, next.ports);
});

test('pools that overlap or differ are refused; growing is allowed, and narrowing when nobody else lives', async (t) => {
  const { open, base } = await startHost(t);
  const { pools } = await open();
  const adb = (from: number, to: number) => ({ pools: { adb: { from, to } } });
  await assert.rejects(open({ pools: { other: { from: base + 5, to: base + 6 } } }), { code: 'POOL_CONFLICT' });
  await assert.rejects(open(adb(base, base + 5)), { code: 'POOL_CONFLICT' });
  await assert.rejects(open(adb(base + 5, base + 1)), { code: 'ARGUMENT_INVALID' });
  const { pools: grown } = await open({ pools: { webrtc: { from: base + 10, to: base + 19 } } });
  assert.equal((await grown.usage()).find(({ pool }) => pool === 'webrtc')?.free, 10);
  await grown.close();
  await pools.allocate({ adb: 3 });
  await pools.close();
  const { pools: narrow } = await open(adb(base + 2, base + 4));
  const usage = (await narrow.usage()).find(({ pool }) => pool === 'adb');
  assert.deepEqual([usage?.size, usage?.free, usage?.orphaned], [3, 2, 1]);
});

test('after Redis lost all, a living participant has its ports recorded again and nobody else gets them', async (t) => {
  const { open, server } = await startHost(t);
  // Long enough that a busy machine does not let it end by itself.
  const { pools } = await open({ ownerTtlMs: 1500 });
  const mine = await pools.allocate({ adb: 2 }, { owner: 'emulator-1' });
  await server.client().flushall();
  await eventually(async () => (await pools.usage()).find(({ pool }) => pool === 'adb')?.leased === 2);
  const views = (await pools.list()).filter(({ state }) => state === 'leased');
  assert.deepEqual(
    views.map(({ port, owner }) => [port, owner]),
    mine.ports.adb!.map((port) => [port, 'emulator-1']),
  );
  assert.equal(mine.signal.aborted, false);
  mine.assertHeld();
});

test('a holder whose ports were taken back while it was silent is told so', async (t) => {
  const { open, server } = await startHost(t);
  const { pools } = await open({ ownerTtlMs: 300 });
  const mine = await pools.allocate({ adb: 1 });
  const keys = portKeys('drover-services', 'h1');
  const redis = server.client();
  const [pool, port] = ['adb', mine.ports.adb![0]!];
  // As another participant would, that found it dead and without a listener, and took the port itself.
  await redis
    .multi()
    .hdel(keys.allocations, mine.id)
    .zrem(keys.rest + pool, port)
    .del(keys.participants)
    .exec();
  await eventually(() => mine.signal.aborted);
  assert.throws(() => mine.assertHeld(), { code: 'LEASE_LOST' });
});

test('after another server took over, who asks from outside waits for as long as participants of the host may be silent', async (t) => {
  const { open, server } = await startHost(t);
  const { pools, coordination } = await open({ ownerTtlMs: 60_000 });
  await pools.allocate({ adb: 1 });
  await pools.close();
  const redis = server.client();
  const runId = /run_id:(\w+)/.exec(await redis.info('server'))![1]!;
  const tookOver = (secondsAgo: number) =>
    redis.set(portKeys('drover-services', 'h1').boot, `${Date.now() - secondsAgo * 1000} ${runId}`);
  const [orphan] = (await listOrphans(coordination, 'h1')).orphans;
  const outside = { ...coordination, redis: coordination.redis, guard: 'failover' as const };
  const reclaim = () => reclaimOrphan(outside, orphan!, { host: 'h1', restMs: 0 });
  await tookOver(30);
  assert.equal(await reclaim(), 'alive');
  await tookOver(61);
  assert.equal(await reclaim(), 'reclaimed');
});

test('ports of a host that is gone for good are taken back by the present leader only', async (t) => {
  const { open, server } = await startHost(t);
  const { pools, coordination } = await open();
  await pools.allocate({ adb: 1 });
  await pools.close();
  await server.client().set('leader:epoch', '8');
  const [orphan] = (await listOrphans(coordination, 'h1')).orphans;
  const reap = (term: number) =>
    reclaimOrphan(coordination, orphan!, { host: 'h1', restMs: 0, fence: { epochKey: 'leader:epoch', term } });
  assert.equal(await reap(7), 'stale');
  assert.equal(await reap(8), 'reclaimed');
  assert.equal(await reap(8), 'absent');
});
