import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { HeldLease } from '../../../../shared/coordination/lease/hold.ts';
import {
  createLease,
  type Lease,
  type LeaseOptions,
  type NotHeld,
} from '../../../../shared/coordination/lease/lease.ts';
import { leaseKeys } from '../../../../shared/coordination/lease/lease-keys.ts';
import { seedBoot } from '../../../../shared/coordination/lease/seed-boot.ts';
import { connectRedis } from '../../../../shared/redis/connect.ts';
import { eventually } from '../../../support/eventually.ts';
import type { Lifetime } from '../../../support/lifetime.ts';
import { startRedis, type TestRedis } from '../../../support/redis.ts';
import { createClocks } from '../../../support/shifted-clock.ts';
import { startTcpProxy } from '../../../support/tcp-proxy.ts';
import { tempDirectory } from '../../../support/temp-directory.ts';

const keys = leaseKeys('work');
const ttlMs = 1200;

async function open(t: Lifetime, server: TestRedis, port = server.port) {
  const connection = connectRedis(`redis://127.0.0.1:${port}`, 'coord');
  t.after(() => connection.close());
  await connection.ready();
  const redis = connection.client;
  const lease = (identity: string, more: Partial<LeaseOptions> = {}) =>
    createLease({ redis, name: 'work', ttlMs, identity, ...more });
  return { connection, redis, lease };
}

function assertHeld(t: Lifetime, answer: HeldLease | NotHeld): HeldLease {
  assert.ok(answer.held, `expected the lease, got ${JSON.stringify(answer)}`);
  t.after(() => answer.release());
  return answer;
}

/** A replica on a busy machine may be late with its acknowledgement: then it is asked again. */
async function acquireReplicated(t: Lifetime, lease: Lease): Promise<HeldLease> {
  const held = await eventually(async () => {
    const answer = await lease.acquire();
    return answer.held && answer;
  });
  t.after(() => held.release());
  return held;
}

const reasonOf = (answer: HeldLease | NotHeld) => (answer.held ? 'acquired' : answer.reason);

async function startReplicated(t: Lifetime) {
  const master = await startRedis(t);
  const replica = await startRedis(t);
  const asker = await open(t, master);
  await asker.redis.config('SET', 'repl-diskless-sync-delay', '0');
  await replica.client().replicaof('127.0.0.1', master.port);
  await seedBoot(asker.redis);
  await eventually(async () => assert.equal(await asker.redis.wait(1, 100), 1), { timeoutMs: 15_000 });
  return { master, replica, ...asker };
}

test('a lease that a replica has is held and renewed', async (t) => {
  const { replica, lease } = await startReplicated(t);
  const held = await acquireReplicated(t, lease('a', { ttlMs: 3000, minReplicas: 1 }));
  assert.match((await replica.client().get(keys.lease)) ?? '', / a$/);
  const endAt = performance.now() + 3000;
  await eventually(() => performance.now() > endAt);
  held.assertHeld();
});

test('a lease that too few replicas have is not held, and is given back', async (t) => {
  const { replica, redis, lease } = await startReplicated(t);
  replica.pause();
  assert.equal(reasonOf(await lease('a', { ttlMs: 3000, minReplicas: 1 }).acquire()), 'unreachable');
  assert.equal(await redis.exists(keys.lease), 0);
  replica.resume();
});

test('a holder whose replicas have stopped lets go before the lease can end', async (t) => {
  const { replica, redis, lease } = await startReplicated(t);
  const held = await acquireReplicated(t, lease('a', { ttlMs: 3000, minReplicas: 1, lockDelayMs: 60_000 }));
  replica.pause();
  await eventually(() => held.signal.aborted);
  assert.equal(held.lossReason, 'unreachable');
  assert.match((await redis.get(keys.lease)) ?? '', / a$/);
  replica.resume();
});

test('after an end without release nobody gets the lease for the delay; after a release at once', async (t) => {
  const server = await startRedis(t);
  const proxy = await startTcpProxy(t, { port: server.port });
  const cutOff = await open(t, server, proxy.port);
  const { redis, lease } = await open(t, server);
  await seedBoot(redis);
  const more = { ttlMs: 300, lockDelayMs: 60_000 };
  const clean = assertHeld(t, await cutOff.lease('a', more).acquire());
  await clean.release();
  const held = assertHeld(t, await cutOff.lease('a', more).acquire());
  proxy.freeze();
  await eventually(() => held.signal.aborted);
  assert.ok((await redis.pttl(keys.lease)) > more.ttlMs);
  assert.equal(reasonOf(await lease('b', more).acquire()), 'held');
});

test('under the guard for failovers a restarted server gives nothing out for one ttl, though it kept its data', async (t) => {
  const server = await startRedis(t, { appendonly: true });
  const { connection, redis, lease } = await open(t, server);
  await seedBoot(redis, undefined, 'failover');
  const long = { ttlMs: 5000, guard: 'failover' } as const;
  const held = assertHeld(t, await lease('a', long).acquire());
  assert.equal(reasonOf(await lease('b', long).acquire()), 'held');
  await server.restart();
  await connection.ready();
  await eventually(async () => assert.equal(reasonOf(await lease('b', long).acquire()), 'recovering'));
  held.assertHeld();
  // The data alone would allow it.
  await held.release();
  assert.equal(reasonOf(await lease('b', long).acquire()), 'recovering');
  const next = await eventually(
    async () => {
      const answer = await lease('b', long).acquire();
      return answer.held && answer;
    },
    { timeoutMs: 10_000 },
  );
  t.after(() => next.release());
  assert.ok(next.epoch > held.epoch);
});

test('both guards read the same boot, and neither sets it back for the other', async (t) => {
  const server = await startRedis(t);
  const { redis, lease } = await open(t, server);
  const guards = ['data', 'failover', 'data', 'failover'] as const;
  const boots: (string | null)[] = [];
  for (const guard of guards) {
    await lease('a', { guard }).acquire();
    boots.push(await redis.get(keys.boot));
  }
  assert.match(boots[0]!, /^\d+$/);
  assert.match(boots[1]!, /^\d+ [0-9a-f]{40}$/);
  assert.deepEqual(boots.slice(2), [boots[1], boots[1]]);
});

test('after FLUSHALL the holder learns it, and nobody else gets in before every old lease is over', async (t) => {
  const server = await startRedis(t);
  const { redis, lease } = await open(t, server);
  await seedBoot(redis);
  const held = assertHeld(t, await lease('a').acquire());
  await redis.flushall();
  assert.equal(reasonOf(await lease('b').acquire()), 'recovering');
  const next = await eventually(async () => {
    const answer = await lease('b').acquire();
    return answer.held && answer;
  });
  t.after(() => next.release());
  assert.equal(held.lossReason, 'expired');
  assert.ok(next.epoch > held.epoch);
});

test('a reply that got lost with its connection costs a try, not the lease', async (t) => {
  const server = await startRedis(t);
  const proxy = await startTcpProxy(t, { port: server.port });
  const { connection, redis, lease } = await open(t, server, proxy.port);
  await seedBoot(redis);
  const asker = lease('a');
  // Teaches the server the script, so that the next ask is one message.
  const taught = await lease('b').acquire();
  if (taught.held) await taught.release();
  proxy.dropOneReply();
  assert.equal(reasonOf(await asker.acquire()), 'unreachable');
  await connection.ready();
  const epoch = await server.client().get(keys.epoch);
  const held = assertHeld(t, await asker.acquire());
  assert.equal(String(held.epoch), epoch);
});

test('who leaves gives back what an unanswered try took', async (t) => {
  const server = await startRedis(t);
  const proxy = await startTcpProxy(t, { port: server.port });
  const { connection, redis, lease } = await open(t, server, proxy.port);
  await seedBoot(redis);
  const taught = await lease('b').acquire();
  if (taught.held) await taught.release();
  const asker = lease('a', { lockDelayMs: 60_000 });
  proxy.dropOneReply();
  assert.equal(reasonOf(await asker.acquire()), 'unreachable');
  await connection.ready();
  assert.match((await redis.get(keys.lease)) ?? '', / a$/);
  await asker.leave();
  assert.equal(await redis.exists(keys.lease), 0);
});

test('epochs rise over any step of the clock of Redis', async (t) => {
  const clocks = createClocks(tempDirectory(t));
  if (clocks === null) return t.skip('no C compiler');
  const clock = clocks('redis');
  const server = await clock.around(() => startRedis(t));
  const { redis, lease } = await open(t, server);
  await seedBoot(redis);
  const epochs: number[] = [];
  for (const seconds of [0, 120, -300, 0, 60]) {
    clock.moveBy(seconds);
    await eventually(async () => {
      const answer = await lease('a', { ttlMs: 100 }).acquire();
      if (!answer.held) return false;
      epochs.push(answer.epoch);
      await answer.release();
    });
  }
  assert.deepEqual(
    epochs,
    [...new Set(epochs)].sort((a, b) => a - b),
  );
});
