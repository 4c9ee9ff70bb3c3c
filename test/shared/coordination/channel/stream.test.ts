import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';

import { channelKeys } from '../../../../shared/coordination/channel/channel-keys.ts';
import { startClient } from '../../../faults/lib/client-process.ts';
import { eventually } from '../../../support/eventually.ts';
import { startRedis, type TestRedis } from '../../../support/redis.ts';
import { startTcpProxy } from '../../../support/tcp-proxy.ts';
import { openChannels } from './support/open-channels.ts';

const keys = channelKeys('drover-services');

/** In one transaction, so that a consumer that waits gets them in one answer. */
async function publishAtOnce(redis: TestRedis, count: number): Promise<void> {
  const transaction = redis.client().multi();
  for (let order = 1; order <= count; order++) transaction.xadd(keys.stream('orders'), '*', 'm', `${order}`);
  await transaction.exec();
}

test('each group gets each message, shared among its consumers, in order, and acknowledges it', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  const stream = channels.stream<number>('orders');
  const heard: Record<string, number[]> = { mail: [], books: [] };
  for (const group of ['mail', 'books']) {
    await stream.consume(group, (order) => heard[group]!.push(order)).ready;
  }
  for (let order = 1; order <= 50; order++) await stream.publish(order);
  const all = Array.from({ length: 50 }, (_, index) => index + 1);
  await eventually(() => assert.deepEqual(heard, { mail: all, books: all }));
  await eventually(async () => {
    const [view] = await channels.list();
    assert.deepEqual(view, {
      name: 'orders',
      kind: 'stream',
      subscribers: 2,
      length: 50,
      groups: [
        { name: 'books', pending: 0, lag: 0, consumers: 1 },
        { name: 'mail', pending: 0, lag: 0, consumers: 1 },
      ],
    });
  });
});

test('a message with an id is kept once, also when it is published again after a lost answer', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  const stream = channels.stream<number>('orders');
  const first = await stream.publish(1, { id: 'order-1' });
  const again = await stream.publish(1, { id: 'order-1' });
  assert.deepEqual([first.isNew, again.isNew, again.id], [true, false, first.id]);
  assert.equal(await redis.client().xlen(keys.stream('orders')), 1);
});

test('a message is delivered again when its handler failed, and put aside when it failed too often', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  const stream = channels.stream<string>('orders', { schema: z.string() });
  const tries: [string, number][] = [];
  const consumer = stream.consume(
    'mail',
    (order, { deliveries }) => {
      tries.push([order, deliveries]);
      if (order === 'poison' || (order === 'shaky' && deliveries === 1)) throw new Error(`cannot take ${order}`);
    },
    { maxDeliveries: 3, visibilityMs: 1000 },
  );
  await consumer.ready;
  await stream.publish('poison');
  await stream.publish('shaky');
  await redis.client().xadd(keys.stream('orders'), '*', 'm', '{"not":"a string"}');
  await stream.publish('good');
  const dead = async () => await redis.client().xrange(keys.stream('orders:dead'), '-', '+');
  await eventually(async () => assert.equal((await dead()).length, 2), { timeoutMs: 8000 });
  assert.deepEqual(
    tries.filter(([order]) => order === 'poison').map(([, deliveries]) => deliveries),
    [1, 2, 3],
  );
  assert.deepEqual(
    tries.filter(([order]) => order !== 'poison'),
    [
      ['shaky', 1],
      ['good', 1],
      ['shaky', 2],
    ],
  );
  const buried = (await dead()).map(([, fields]) => fields);
  assert.deepEqual(buried[0]!.slice(0, 2), ['m', '{"not":"a string"}']);
  assert.deepEqual(buried[1]!.slice(0, 2), ['m', '"poison"']);
  assert.match(buried[1]!.at(-1)!, /cannot take poison/);
  await eventually(async () => assert.equal((await channels.list({ match: 'orders' }))[0]!.groups[0]!.pending, 0));
  assert.equal((await channels.list()).at(-1)!.name, 'orders:dead');
});

test('the messages of a consumer that was killed are taken over by another', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  const stream = channels.stream<number>('orders');
  const victim = startClient(new URL('../../../fixtures/consumes-stream.ts', import.meta.url), 'victim', {
    url: redis.url,
    visibilityMs: 1000,
  });
  t.after(() => victim.kill());
  await eventually(() => assert.ok(victim.lines.includes('ready')), { timeoutMs: 15_000 });
  await publishAtOnce(redis, 5);
  // It begins with the first and never ends; the others are in its buffer.
  await eventually(() => assert.ok(victim.lines.includes('began 1')));
  await victim.kill();
  const heard: [number, number][] = [];
  await stream.consume('mail', (order, { deliveries }) => heard.push([order, deliveries]), { visibilityMs: 1000 })
    .ready;
  await eventually(() => assert.equal(heard.length, 5), { timeoutMs: 8000 });
  assert.deepEqual(heard, [
    [1, 2],
    [2, 2],
    [3, 2],
    [4, 2],
    [5, 2],
  ]);
});

test('a consumer that was paused is told to stop, and its message goes to another', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  const stream = channels.stream<number>('orders');
  const paused = startClient(new URL('../../../fixtures/consumes-stream.ts', import.meta.url), 'paused', {
    url: redis.url,
    visibilityMs: 1000,
  });
  t.after(() => paused.kill());
  await eventually(() => assert.ok(paused.lines.includes('ready')), { timeoutMs: 15_000 });
  await stream.publish(1);
  await eventually(() => assert.ok(paused.lines.includes('began 1')));
  const heard: number[] = [];
  const other = stream.consume('mail', (order) => heard.push(order), { visibilityMs: 1000 });
  await other.ready;
  paused.pause();
  await eventually(() => assert.deepEqual(heard, [1]), { timeoutMs: 8000 });
  paused.resume();
  await eventually(() => assert.ok(paused.lines.includes('stopped 1 LEASE_LOST')));
});

test('a handler that takes longer than the visibility keeps its message', async (t) => {
  const redis = await startRedis(t);
  const a = await openChannels(t, redis.url, 'host-a/1');
  const b = await openChannels(t, redis.url, 'host-b/1');
  const begun: string[] = [];
  let end = () => {};
  const ending = new Promise<void>((resolve) => {
    end = resolve;
  });
  const seen = { aborted: false };
  await a.stream<number>('orders').consume(
    'mail',
    async (_order, { signal }) => {
      begun.push('a');
      await ending;
      seen.aborted = signal.aborted;
    },
    { visibilityMs: 600 },
  ).ready;
  await a.stream<number>('orders').publish(1);
  await eventually(() => assert.deepEqual(begun, ['a']));
  await b.stream<number>('orders').consume('mail', () => begun.push('b'), { visibilityMs: 600 }).ready;
  const idleOf = async () =>
    (await redis.client().xpending(keys.stream('orders'), 'mail', '-', '+', 1)) as [string, string, number, number][];
  // Its idle time goes back at each sign of life; three times is longer than the visibility.
  for (let signs = 0, last = -1; signs < 4; ) {
    const [pending] = await idleOf();
    assert.equal(pending![3], 1, 'it was delivered again');
    if (pending![2] < last) signs += 1;
    last = pending![2];
    await new Promise(setImmediate);
  }
  end();
  await eventually(async () => assert.equal((await idleOf()).length, 0));
  assert.deepEqual(begun, ['a']);
  assert.equal(seen.aborted, false);
});

test('a restart of the server with its data loses nothing and repeats little; consumers go on within two seconds', async (t) => {
  const redis = await startRedis(t, { appendonly: true });
  const channels = await openChannels(t, redis.url);
  const stream = channels.stream<number>('orders');
  const heard: number[] = [];
  await stream.consume('mail', (order) => heard.push(order)).ready;
  await stream.publish(1);
  await eventually(() => assert.deepEqual(heard, [1]));
  await redis.kill();
  await assert.rejects(stream.publish(2, { id: 'two' }), { code: 'STORE_UNREACHABLE' });
  await redis.restart();
  await eventually(async () => void (await stream.publish(2, { id: 'two' })));
  await eventually(() => assert.equal(heard.at(-1), 2), { timeoutMs: 2000 });
});

test('after a restart without data a group goes on with what is published from then on, from the first', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  const stream = channels.stream<number>('orders');
  const heard: number[] = [];
  await stream.consume('mail', (order) => heard.push(order)).ready;
  await redis.restart();
  await eventually(async () => void (await stream.publish(1)));
  await stream.publish(2);
  await eventually(() => assert.deepEqual(heard, [1, 2]), { timeoutMs: 3000 });
});

test('a server that hangs for a while stops nothing for good and loses nothing', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  const stream = channels.stream<number>('orders');
  const heard: number[] = [];
  await stream.consume('mail', (order) => heard.push(order), { visibilityMs: 1000 }).ready;
  redis.pause();
  await assert.rejects(stream.publish(1), { code: 'STORE_UNREACHABLE' });
  redis.resume();
  await eventually(async () => void (await stream.publish(2)));
  await eventually(() => assert.ok(heard.includes(2)), { timeoutMs: 2000 });
  // The first was refused to its publisher, and may be there all the same; it is not lost half way.
  const length = await redis.client().xlen(keys.stream('orders'));
  await eventually(() => assert.equal(new Set(heard).size, length));
});

test('messages whose delivery was lost on the way are found again at once', async (t) => {
  const redis = await startRedis(t);
  const proxy = await startTcpProxy(t, redis);
  const far = await openChannels(t, `redis://127.0.0.1:${proxy.port}`);
  const near = await openChannels(t, redis.url);
  const heard: number[] = [];
  await far.stream<number>('orders').consume('mail', (order) => heard.push(order)).ready;
  await near.stream<number>('orders').publish(1);
  await eventually(() => assert.deepEqual(heard, [1]));
  proxy.dropReplies();
  await near.stream<number>('orders').publish(2);
  await eventually(async () => assert.equal((await near.list())[0]!.groups[0]!.lag, 0));
  proxy.reset();
  proxy.heal();
  await eventually(() => assert.equal(heard.at(-1), 2), { timeoutMs: 2000 });
});

test('closing waits for handlers, frees what was not begun for others, and leaves nothing', async (t) => {
  const redis = await startRedis(t);
  const a = await openChannels(t, redis.url, 'host-a/1');
  const b = await openChannels(t, redis.url, 'host-b/1');
  const stream = a.stream<number>('orders');
  const heard: [string, number, number][] = [];
  let end = () => {};
  const ending = new Promise<void>((resolve) => {
    end = resolve;
  });
  const first = stream.consume('mail', async (order, { deliveries }) => {
    heard.push(['a', order, deliveries]);
    await ending;
  });
  await first.ready;
  await publishAtOnce(redis, 4);
  await eventually(async () => assert.equal((await a.list())[0]!.groups[0]!.pending, 4));
  let isClosed = false;
  const closing = first.close().then(() => {
    isClosed = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(isClosed, false);
  end();
  await closing;
  assert.deepEqual(heard, [['a', 1, 1]]);
  // The visibility is 30 s: they come at once because they were given back.
  await b.stream<number>('orders').consume('mail', (order, { deliveries }) => heard.push(['b', order, deliveries]))
    .ready;
  await eventually(() => assert.equal(heard.length, 4));
  assert.deepEqual(heard.slice(1), [
    ['b', 2, 1],
    ['b', 3, 1],
    ['b', 4, 1],
  ]);
});

test('a handler that does not end is told to stop when the bound of closing is over', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  const stream = channels.stream<number>('orders');
  const consumer = stream.consume(
    'mail',
    (_order, { signal }) => new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())),
    { closeTimeoutMs: 100 },
  );
  await consumer.ready;
  await stream.publish(1);
  await eventually(async () => assert.equal((await channels.list())[0]!.groups[0]!.pending, 1));
  await consumer.close();
  assert.equal((await channels.list())[0]!.groups[0]!.pending, 1, 'what was stopped half way stays');
});

test('whoever acknowledges by himself takes messages, and those he left are given to others', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  const stream = channels.stream<number>('orders');
  assert.deepEqual(await stream.take({ group: 'mail', consumer: 'py-1' }), []);
  await stream.publish(1);
  await stream.publish(2);
  const [one, two] = await stream.take({ group: 'mail', consumer: 'py-1', visibilityMs: 1000 });
  assert.deepEqual([one!.message, two!.message], [1, 2]);
  assert.equal(await stream.acknowledge('mail', [one!.id]), 1);
  assert.equal(await stream.acknowledge('mail', [one!.id]), 0);
  const again = await stream.take({ group: 'mail', consumer: 'py-2', visibilityMs: 1000, waitMs: 5000 });
  assert.deepEqual(again, [{ id: two!.id, deliveries: 2, message: 2 }]);
});

test('a stream keeps about as many messages as it should', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  const stream = channels.stream<number>('orders', { maxLength: 100 });
  await Promise.all(Array.from({ length: 1000 }, (_, index) => stream.publish(index)));
  const length = await redis.client().xlen(keys.stream('orders'));
  assert.ok(length >= 100 && length <= 300, `${length}`);
});
