import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';

import { channelKeys } from '../../../../shared/coordination/channel/channel-keys.ts';
import type { Gap } from '../../../../shared/coordination/channel/topic.ts';
import { eventually } from '../../../support/eventually.ts';
import { startRedis } from '../../../support/redis.ts';
import { startTcpProxy } from '../../../support/tcp-proxy.ts';
import { openChannels } from './support/open-channels.ts';

const keys = channelKeys('drover-services');

test('every subscriber hears each message in order, with its publisher and number, and the publisher how many heard', async (t) => {
  const redis = await startRedis(t);
  const a = await openChannels(t, redis.url, 'host-a/1');
  const b = await openChannels(t, redis.url, 'host-b/1');
  const heard: [string, number, number][] = [];
  const first = a.topic<number>('prices').subscribe((price, { sequence }) => heard.push(['a', price, sequence]));
  const second = b.topic<number>('prices').subscribe((price, { sequence }) => heard.push(['b', price, sequence]));
  await Promise.all([first.ready, second.ready]);
  const topic = a.topic<number>('prices');
  assert.deepEqual(await Promise.all([topic.publish(10), topic.publish(20)]), [2, 2]);
  await eventually(() => assert.equal(heard.length, 4));
  for (const name of ['a', 'b']) {
    assert.deepEqual(
      heard.filter(([who]) => who === name).map(([, ...rest]) => rest),
      [
        [10, 1],
        [20, 2],
      ],
    );
  }
  second.close();
  await eventually(async () => assert.equal(await topic.publish(30), 1));
});

test('a message that the schema refuses is refused to the publisher, and does not kill a subscriber', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  const topic = channels.topic('orders', { schema: z.object({ id: z.string() }) });
  const heard: string[] = [];
  await topic.subscribe(({ id }) => {
    heard.push(id);
    if (id === 'bad handler') throw new Error('defect of a handler');
  }).ready;
  await assert.rejects(topic.publish({ id: 7 } as never), { code: 'ARGUMENT_INVALID' });
  await assert.rejects(channels.topic('orders').publish(undefined), { code: 'ARGUMENT_INVALID' });
  await channels.topic('orders').publish({ id: 7 });
  await redis.client().publish(keys.topic('orders'), 'no JSON');
  await redis.client().publish(keys.topic('orders'), 'null');
  await topic.publish({ id: 'bad handler' });
  await topic.publish({ id: 'good' });
  await eventually(() => assert.deepEqual(heard, ['bad handler', 'good']));
});

test('after a restart of the server a gap is told once, and what follows is heard within two seconds', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  const topic = channels.topic<number>('prices');
  const heard: number[] = [];
  const gaps: Gap[] = [];
  await topic.subscribe((price) => heard.push(price), { onGap: (gap) => gaps.push(gap) }).ready;
  await topic.publish(1);
  await eventually(() => assert.deepEqual(heard, [1]));
  await redis.kill();
  await assert.rejects(topic.publish(2), { code: 'STORE_UNREACHABLE' });
  await redis.restart();
  await eventually(async () => assert.equal(await topic.publish(3), 1), { timeoutMs: 2000 });
  await topic.publish(4);
  await eventually(() => assert.equal(heard.at(-1), 4));
  assert.deepEqual(
    gaps.map(({ reason }) => reason),
    ['reconnected'],
  );
  assert.ok(gaps[0]!.sinceMs >= 0);
});

test('a number that is left out is told as a gap with the count of what was missed', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  const gaps: Gap[] = [];
  let heard = 0;
  await channels.topic('prices').subscribe(() => (heard += 1), { onGap: (gap) => gaps.push(gap) }).ready;
  const client = redis.client();
  for (const n of [7, 8, 12]) await client.publish(keys.topic('prices'), JSON.stringify({ p: 'other', n, m: null }));
  await eventually(() => assert.equal(heard, 3));
  assert.deepEqual(
    gaps.map(({ reason, missed }) => [reason, missed]),
    [['sequence', 3]],
  );
});

test('a handler that is too slow loses messages and is told so, once for each time', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  const gaps: Gap[] = [];
  let release = () => {};
  const blocked = new Promise<void>((resolve) => {
    release = resolve;
  });
  let heard = 0;
  const topic = channels.topic<number>('prices');
  const subscription = topic.subscribe(
    async () => {
      heard += 1;
      await blocked;
    },
    { onGap: (gap) => gaps.push(gap) },
  );
  await subscription.ready;
  for (let batch = 0; batch < 21; batch++) {
    await Promise.all(Array.from({ length: 500 }, (_, index) => topic.publish(index)));
  }
  await eventually(() =>
    assert.deepEqual(
      gaps.map(({ reason }) => reason),
      ['overflow'],
    ),
  );
  release();
  await eventually(() => assert.ok(heard >= 10_001));
  assert.ok(heard < 10_500);
});

test('a link that is cut without a word is found out, and told as a gap', async (t) => {
  const redis = await startRedis(t);
  const proxy = await startTcpProxy(t, redis);
  const channels = await openChannels(t, `redis://127.0.0.1:${proxy.port}`);
  const gaps: Gap[] = [];
  const heard: number[] = [];
  const near = await openChannels(t, redis.url);
  await channels.topic<number>('prices').subscribe((price) => heard.push(price), { onGap: (gap) => gaps.push(gap) })
    .ready;
  proxy.freeze();
  // The server holds the subscription for alive and counts it, yet nothing arrives.
  assert.equal(await near.topic<number>('prices').publish(1), 1);
  await eventually(async () => assert.equal(await near.topic<number>('prices').publish(1), 0), { timeoutMs: 12_000 });
  proxy.heal();
  await eventually(() => assert.equal(gaps.length, 1));
  assert.ok(gaps[0]!.sinceMs >= 2000, `since ${gaps[0]!.sinceMs} ms`);
  await near.topic<number>('prices').publish(2);
  await eventually(() => assert.equal(heard.at(-1), 2));
});

test('names that hold spaces or nothing are refused', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  for (const name of ['', 'a b', 'a\n', 'x'.repeat(201)]) {
    assert.throws(() => channels.topic(name), { code: 'ARGUMENT_INVALID' });
    assert.throws(() => channels.presence(name), { code: 'ARGUMENT_INVALID' });
  }
});

test('closing leaves no connection behind, also while the server is away', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  await channels.topic('prices').subscribe(() => {}).ready;
  const consumer = channels.stream('jobs').consume('workers', () => {});
  await consumer.ready;
  await channels.presence('users').join('ada');
  await redis.kill();
  await channels.close();
  await channels.coordination.close();
  await redis.restart();
  const names = async () => await redis.client().client('LIST');
  await eventually(async () => assert.doesNotMatch(String(await names()), /name=drover-/));
});
