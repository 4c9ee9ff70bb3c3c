import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { HeldLease } from '../../../../shared/coordination/lease/hold.ts';
import { createLease, type LeaseOptions, type NotHeld } from '../../../../shared/coordination/lease/lease.ts';
import { leaseKeys } from '../../../../shared/coordination/lease/lease-keys.ts';
import { seedBoot } from '../../../../shared/coordination/lease/seed-boot.ts';
import { connectRedis } from '../../../../shared/redis/connect.ts';
import { eventually } from '../../../support/eventually.ts';
import type { Lifetime } from '../../../support/lifetime.ts';
import { startRedis } from '../../../support/redis.ts';

const keys = leaseKeys('work');

async function connect(t: Lifetime, url: string) {
  const connection = connectRedis(url, 'coord');
  t.after(() => connection.close());
  await connection.ready();
  return connection;
}

async function startSeeded(t: Lifetime, options: { appendonly?: boolean } = {}) {
  const server = await startRedis(t, options);
  const connection = await connect(t, server.url);
  await seedBoot(connection.client);
  const lease = (identity: string, more: Partial<LeaseOptions> = {}) =>
    createLease({ redis: connection.client, name: 'work', ttlMs: 1200, identity, ...more });
  return { server, connection, redis: connection.client, lease };
}

function assertHeld(t: Lifetime, answer: HeldLease | NotHeld): HeldLease {
  assert.ok(answer.held, `expected the lease, got ${JSON.stringify(answer)}`);
  t.after(() => answer.release());
  return answer;
}

test('one holder at a time; the next has a higher epoch', async (t) => {
  const { lease } = await startSeeded(t);
  const first = assertHeld(t, await lease('a').acquire());
  const refused = await lease('b').acquire();
  assert.equal(refused.held, false);
  assert.equal(!refused.held && refused.reason, 'held');
  await first.release();
  assert.equal(first.lossReason, 'closed');
  assert.throws(() => first.assertHeld(), { code: 'LEASE_LOST' });
  const second = assertHeld(t, await lease('b').acquire());
  assert.ok(second.epoch > first.epoch);
});

test('a lease is renewed for as long as it is held', async (t) => {
  const { lease, redis } = await startSeeded(t);
  const held = assertHeld(t, await lease('a', { ttlMs: 300 }).acquire());
  const endAt = performance.now() + 900;
  await eventually(async () => {
    assert.ok(await redis.exists(keys.lease), 'the lease expired');
    return performance.now() > endAt;
  });
  held.assertHeld();
});

test('theft is noticed at the next renewal and the thief is left alone', async (t) => {
  const { lease, redis } = await startSeeded(t);
  const held = assertHeld(t, await lease('a', { ttlMs: 600 }).acquire());
  await redis.set(keys.lease, 'thief');
  await eventually(() => held.signal.aborted);
  assert.equal(held.lossReason, 'taken');
  await held.release();
  assert.equal(await redis.get(keys.lease), 'thief');
});

test('a lease that vanished is not made anew by a renewal', async (t) => {
  const { lease, redis } = await startSeeded(t);
  const held = assertHeld(t, await lease('a', { ttlMs: 600 }).acquire());
  await redis.del(keys.lease);
  await eventually(() => held.signal.aborted);
  assert.equal(held.lossReason, 'expired');
  assert.equal(await redis.exists(keys.lease), 0);
});

test('with Redis frozen the signal aborts before the lease can end', async (t) => {
  const { server, lease } = await startSeeded(t);
  const held = assertHeld(t, await lease('a').acquire());
  const frozenAt = performance.now();
  server.pause();
  const abortedAt = await new Promise<number>((resolve) => {
    held.signal.addEventListener('abort', () => resolve(performance.now()), { once: true });
  });
  // No renewal was answered after the freeze, so the lease in Redis ends at the earliest one ttl after the last one sent.
  assert.ok(abortedAt - frozenAt < 1200, `aborted ${abortedAt - frozenAt} ms after the freeze`);
  assert.equal(held.lossReason, 'unreachable');
});

test('a lost answer does not lock the asker out: the next try finds the lease its own', async (t) => {
  const { lease, redis } = await startSeeded(t);
  let drop = true;
  const lossy = new Proxy(redis, {
    get(target, property) {
      const value = Reflect.get(target, property, target);
      if (property !== 'evalsha' && property !== 'eval')
        return typeof value === 'function' ? value.bind(target) : value;
      return async (...args: unknown[]) => {
        const reply = await value.apply(target, args);
        if (drop) throw new Error('Connection lost after the command ran');
        return reply;
      };
    },
  });
  const asker = lease('a', { redis: lossy });
  // The first run teaches the server the script; then the answer is lost.
  const first = await asker.acquire();
  assert.equal(!first.held && first.reason, 'unreachable');
  const taught = await lease('b').acquire();
  if (taught.held) await taught.release();
  const second = await asker.acquire();
  assert.equal(!second.held && second.reason, 'unreachable');
  assert.match((await redis.get(keys.lease)) ?? '', / a$/);
  drop = false;
  const third = assertHeld(t, await asker.acquire());
  assert.equal(String(third.epoch), await redis.get(keys.epoch));
});

test('after a crash with an append-only file the same holder goes on and nobody else gets in', async (t) => {
  const { server, connection, lease } = await startSeeded(t, { appendonly: true });
  const held = assertHeld(t, await lease('a', { ttlMs: 5000 }).acquire());
  await server.kill();
  await server.restart();
  await connection.ready();
  await eventually(async () => {
    const refused = await lease('b', { ttlMs: 5000 }).acquire();
    assert.equal(!refused.held && refused.reason, 'held');
  });
  held.assertHeld();
});

test('after a restart without data nobody gets a lease until every old one is over, then with a higher epoch', async (t) => {
  const { server, connection, lease } = await startSeeded(t);
  const old = assertHeld(t, await lease('a').acquire());
  await server.restart();
  await connection.ready();
  const refused = await lease('b').acquire();
  assert.equal(!refused.held && refused.reason, 'recovering');
  const next = await eventually(async () => {
    const answer = await lease('b').acquire();
    return answer.held && answer;
  });
  t.after(() => next.release());
  assert.ok(old.signal.aborted, 'the old holder still believes in its lease');
  assert.ok(next.epoch > old.epoch);
});
