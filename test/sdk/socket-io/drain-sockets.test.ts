import assert from 'node:assert/strict';
import { test } from 'node:test';

import { drainSockets } from '../../../sdk/socket-io/drain-sockets.ts';
import { systemClock } from '../../../shared/runtime/clock.ts';
import { eventually } from '../../support/eventually.ts';
import { startRedis } from '../../support/redis.ts';
import { startChat } from './start-chat.ts';

test('clients are told first, then closed batch by batch, and come back by themselves', async (t) => {
  const redis = await startRedis(t);
  const chat = await startChat(t, redis.url);
  const other = await startChat(t, redis.url);
  await Promise.all([chat.mounted.ready(), other.mounted.ready()]);
  const clients = await Promise.all(Array.from({ length: 6 }, () => chat.client()));
  const elsewhere = await other.client();
  let isElsewhereTouched = false;
  elsewhere.on('disconnect', () => {
    isElsewhereTouched = true;
  });
  const order: string[] = [];
  const returned = new Set<number>();
  for (const [index, client] of clients.entries()) {
    client.on('drover:drain', ({ withinMs }) => order.push(`told ${withinMs}`));
    client.on('disconnect', (reason) => {
      order.push(reason);
      client.once('connect', () => returned.add(index));
    });
  }
  const batches: number[] = [];
  const ended = await drainSockets(chat.io, {
    overMs: 300,
    batch: 2,
    clock: {
      ...systemClock,
      sleep: async (ms) => {
        batches.push(order.filter((entry) => !entry.startsWith('told')).length);
        await new Promise((resolve) => setTimeout(resolve, ms));
      },
    },
  });
  assert.equal(ended, 6);
  assert.equal(batches.length, 3);
  assert.ok(batches[1]! <= 2 && batches[2]! <= 4, String(batches));
  await eventually(() => assert.equal(returned.size, 6));
  assert.deepEqual(order.slice(0, 6), Array(6).fill('told 300'));
  assert.equal(isElsewhereTouched, false);
});

test('bounds that make no sense are refused', async (t) => {
  const redis = await startRedis(t);
  const chat = await startChat(t, redis.url);
  await assert.rejects(drainSockets(chat.io, { batch: 0 }), { code: 'ARGUMENT_INVALID' });
  await assert.rejects(drainSockets(chat.io, { overMs: -1 }), { code: 'ARGUMENT_INVALID' });
});
