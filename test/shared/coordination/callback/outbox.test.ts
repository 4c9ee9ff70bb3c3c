import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';

import { createOutbox, type OutboxMessage } from '../../../../shared/coordination/callback/outbox.ts';
import { createOutboxRelay, type OutboxRelayOptions } from '../../../../shared/coordination/callback/outbox-relay.ts';
import { seedBoot } from '../../../../shared/coordination/lease/seed-boot.ts';
import { openCoordination } from '../../../../shared/coordination/open-coordination.ts';
import { fromSqlite } from '../../../../shared/coordination/sql.ts';
import { type Clock, systemClock } from '../../../../shared/runtime/clock.ts';
import { eventually } from '../../../support/eventually.ts';
import type { Lifetime } from '../../../support/lifetime.ts';
import { startRedis } from '../../../support/redis.ts';

async function open(t: Lifetime) {
  const closers: (() => Promise<void>)[] = [];
  t.after(async () => {
    for (const close of closers.reverse()) await close();
  });
  const server = await startRedis(t);
  const coordination = openCoordination({ url: server.url, identity: 'host/test' });
  closers.push(() => coordination.close());
  await coordination.ready();
  await seedBoot(coordination.redis, coordination.prefix);
  const database = fromSqlite(new DatabaseSync(':memory:'));
  let aheadMs = 0;
  const clock: Clock = { ...systemClock, nowMs: () => Date.now() + aheadMs };
  const outbox = createOutbox({ database, clock });
  await outbox.create();
  const enqueue = (key: string, payload: string) =>
    database.transaction((tx) => outbox.enqueue(tx, { topic: 'orders', key, payload }));
  const relay = (options: Pick<OutboxRelayOptions, 'send'> & Partial<OutboxRelayOptions>) => {
    const made = createOutboxRelay(coordination, { outbox, pollMs: 20, ttlMs: 600, ...options });
    closers.push(() => made.close());
    return made;
  };
  const skip = (ms: number) => {
    aheadMs += ms;
  };
  return { database, outbox, enqueue, relay, skip };
}

test('a message leaves only if the transaction that wrote it has committed', async (t) => {
  const { database, outbox } = await open(t);
  const failed = database.transaction(async (tx) => {
    await outbox.enqueue(tx, { topic: 'orders', key: '1', payload: 'a' });
    throw new Error('no');
  });
  await assert.rejects(failed);
  assert.deepEqual(await outbox.due(10), []);
});

test('messages of a key are sent in order, and one that fails holds up its key alone', async (t) => {
  const { enqueue, relay, skip, outbox } = await open(t);
  const key = await enqueue('1', 'a');
  for (const [order, payload] of [
    ['1', 'b'],
    ['2', 'x'],
    ['1', 'c'],
  ] as const) {
    await enqueue(order, payload);
  }
  const sent: string[] = [];
  const tries: OutboxMessage[] = [];
  relay({
    send: async (message) => {
      if (message.payload === 'a') tries.push(message);
      if (message.payload === 'a' && tries.length < 3) throw new Error('receiver is down');
      sent.push(message.payload);
    },
  });
  await eventually(() => sent.includes('x'));
  await eventually(() => {
    skip(10_000);
    return sent.length === 4;
  });
  assert.deepEqual(
    sent.filter((payload) => payload !== 'x'),
    ['a', 'b', 'c'],
  );
  assert.deepEqual(
    tries.map(({ attempt }) => attempt),
    [1, 2, 3],
  );
  assert.ok(tries.every(({ idempotencyKey }) => idempotencyKey === key));
  await eventually(async () => (await outbox.due(10)).length === 0);
});

test('a message that fails too often is dead, can be seen, lets others pass, and can be revived', async (t) => {
  const { enqueue, relay, skip, outbox } = await open(t);
  await enqueue('1', 'bad');
  await enqueue('1', 'good');
  const sent: string[] = [];
  const dead: number[] = [];
  let isBroken = true;
  relay({
    maxTries: 2,
    onDead: ({ id }) => void dead.push(id),
    send: async ({ payload }) => {
      if (payload === 'bad' && isBroken) throw new Error('refused for good');
      sent.push(payload);
    },
  });
  await eventually(() => {
    skip(10_000);
    return sent.includes('good');
  });
  const [message] = await outbox.dead(10);
  assert.deepEqual([message?.payload, message?.attempt, message?.lastError], ['bad', 2, 'refused for good']);
  assert.deepEqual(dead, [message?.id]);
  isBroken = false;
  assert.equal(await outbox.revive(message!.id), true);
  await eventually(() => sent.includes('bad'));
});

test('one relay is active at a time, and another takes over from one that closes', async (t) => {
  const { enqueue, relay } = await open(t);
  const sent: string[] = [];
  const relays = ['first', 'second'].map((name) =>
    relay({ send: async ({ payload }) => void sent.push(`${name} ${payload}`) }),
  );
  await eventually(() => relays.some(({ isActive }) => isActive));
  const active = relays.findIndex(({ isActive }) => isActive);
  await enqueue('1', 'a');
  await eventually(() => sent.length === 1);
  assert.equal(relays.filter(({ isActive }) => isActive).length, 1);
  await relays[active]!.close();
  await enqueue('1', 'b');
  await eventually(() => sent.length === 2);
  assert.notEqual(sent[0]!.split(' ')[0], sent[1]!.split(' ')[0]);
});

test('a try that takes too long is ended by its signal and counts as failed', async (t) => {
  const { enqueue, relay, outbox } = await open(t);
  await enqueue('1', 'a');
  let wasAborted = false;
  relay({
    sendTimeoutMs: 30,
    maxTries: 1,
    send: (_message, signal) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => {
          wasAborted = true;
          reject(new Error('aborted'));
        }),
      ),
  });
  const [message] = await eventually(async () => {
    const dead = await outbox.dead(1);
    return dead.length > 0 && dead;
  });
  assert.equal(message?.lastError, 'Not sent within 30 ms');
  assert.ok(wasAborted);
});
