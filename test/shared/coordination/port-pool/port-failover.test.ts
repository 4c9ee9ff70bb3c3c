import assert from 'node:assert/strict';
import { test } from 'node:test';

import { seedBoot } from '../../../../shared/coordination/lease/seed-boot.ts';
import { type OpenCoordinationOptions, openCoordination } from '../../../../shared/coordination/open-coordination.ts';
import { listOrphans, reclaimOrphan } from '../../../../shared/coordination/port-pool/confirm-orphans.ts';
import { portKeys } from '../../../../shared/coordination/port-pool/port-keys.ts';
import { createPortPools, type PortPoolsOptions } from '../../../../shared/coordination/port-pool/port-pools.ts';
import { eventually } from '../../../support/eventually.ts';
import type { Lifetime } from '../../../support/lifetime.ts';
import { startRedis } from '../../../support/redis.ts';
import { startTcpProxy } from '../../../support/tcp-proxy.ts';

const keys = portKeys('drover-services', 'h1');

async function build(t: Lifetime) {
  const closers: (() => Promise<unknown> | unknown)[] = [];
  t.after(async () => {
    for (const close of closers.reverse()) await close();
  });
  const later: Lifetime = { after: (close) => void closers.push(close) };
  const server = await startRedis(later);
  const redis = server.client();
  await seedBoot(redis, 'drover-services');
  const open = async (how: Partial<OpenCoordinationOptions> = {}, options: Partial<PortPoolsOptions> = {}) => {
    const coordination = openCoordination({ url: server.url, identity: 'h1/test', ...how });
    closers.push(() => coordination.close());
    await coordination.ready();
    const pools = await createPortPools(coordination, {
      ...{ host: 'h1', pools: { adb: { from: 31_000, to: 31_003 } }, checksBind: false, ownerTtlMs: 600 },
      ...options,
    });
    closers.push(() => pools.close());
    return { pools, coordination };
  };
  const counts = async () => {
    const entry = await eventually(async () => (await redis.hgetall(keys.allocations)) ?? false);
    return Object.keys(entry).length;
  };
  return { server, redis, open, counts, later };
}

test('a request whose reply was lost has its ports once, under the id that was asked for', async (t) => {
  const { server, redis, open, later } = await build(t);
  const proxy = await startTcpProxy(later, { port: server.port });
  const url = `redis://127.0.0.1:${proxy.port}`;
  const { pools } = await open({ url }, { ownerTtlMs: 60_000 });
  proxy.dropOneReply();
  const allocation = await pools.allocate({ adb: 2 }, { requestId: 'request-1' });
  assert.deepEqual(Object.keys(await redis.hgetall(keys.allocations)), ['request-1']);
  assert.equal(await redis.zcard(`${keys.rest}adb`), 2);
  assert.equal(allocation.ports.adb?.length, 2);
});

test('a server that took over gives no port out until all that live have said what they have', async (t) => {
  const { redis, open } = await build(t);
  const { pools } = await open({ guard: 'failover' });
  const mine = await pools.allocate({ adb: 3 }, { owner: 'emulator-1' });
  const { pools: others } = await open({ guard: 'failover' });
  // A replica that lacks the last writes: the allocation is not there, its ports are free, and the run id is another.
  const [first] = mine.ports.adb as [number];
  await redis
    .multi()
    .hdel(keys.allocations, mine.id)
    .zadd(`${keys.rest}adb`, 0, first, 0, mine.ports.adb![1]!, 0, mine.ports.adb![2]!)
    .set(keys.boot, '1 abcdef')
    .exec();
  for (const client of [pools, others]) assert.equal((await client.usage())[0]?.leased, 0);
  // As after a failover both connections are new.
  await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  const theirs = await eventually(() => others.allocate({ adb: 1 }));
  assert.ok(!mine.ports.adb!.includes(theirs.ports.adb![0]!));
  assert.equal(mine.signal.aborted, false);
  assert.equal((await pools.usage())[0]?.leased, 4);
});

test('a server that took over lets nobody adopt or reclaim for one ttl', async (t) => {
  const { redis, open } = await build(t);
  const { pools, coordination } = await open({ guard: 'failover' });
  const lost = await pools.allocate({ adb: 1 }, { owner: 'emulator-1' });
  await pools.close();
  const [orphan] = (await listOrphans(coordination, 'h1')).orphans;
  await redis.set(keys.boot, '1 abcdef');
  const options = { host: 'h1', restMs: 0, ownerTtlMs: 600 };
  assert.equal(await reclaimOrphan(coordination, orphan!, options), 'alive');
  const startedAt = Number(String(await redis.get(keys.boot)).split(' ')[0]);
  const { pools: next } = await open({ guard: 'failover' });
  const adopted = await next.adopt({ id: lost.id });
  const [seconds, micros] = await redis.time();
  assert.ok(Number(seconds) * 1000 + Number(micros) / 1000 >= startedAt + 600);
  assert.ok(adopted.token > lost.token);
});

test('an allocation of which too few replicas know is undone, and the caller told', async (t) => {
  const { redis, open, counts } = await build(t);
  const { pools } = await open({ minReplicas: 1 });
  await assert.rejects(pools.allocate({ adb: 2 }), (error: { code: string; details: object }) => {
    assert.equal(error.code, 'STORE_UNREACHABLE');
    assert.deepEqual(error.details, { host: 'h1', reason: 'replicas', replicas: 0, minReplicas: 1 });
    return true;
  });
  await eventually(async () => (await counts()) === 0);
  assert.equal(await redis.zcount(`${keys.rest}adb`, '-inf', Date.now()), 4);
});

test('what only Redis believes to be ours becomes an orphan, and comes back without a listener', async (t) => {
  const { redis, open } = await build(t);
  const { pools } = await open({}, { quarantineMs: 0, bindAddress: '127.0.0.1' });
  const kept = await pools.allocate({ adb: 1 });
  const released = await pools.allocate({ adb: 1 });
  const record = await redis.hget(keys.allocations, released.id);
  await released.release();
  // A failover undoes the release: the server that took over never heard of it.
  await redis.zrem(`${keys.rest}adb`, released.ports.adb![0]!);
  await redis.hset(keys.allocations, released.id, record!);
  await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await eventually(async () => (await redis.hexists(keys.allocations, released.id)) === 0);
  await eventually(async () => (await pools.usage())[0]?.free === 3);
  assert.equal(kept.signal.aborted, false);
});
