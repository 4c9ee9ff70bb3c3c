import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { eventually } from '../../support/eventually.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';

async function open(t: Lifetime, redis: TestRedis) {
  const opened = openCoordination({ url: redis.url, identity: 'host-a/1' });
  t.after(() => opened.close());
  await opened.ready();
  return opened;
}

test('a listener hears each message of its channel, and first that it should look', async (t) => {
  const redis = await startRedis(t);
  const { wakeUps } = await open(t, redis);
  const heard: (string | null)[] = [];
  const listening = wakeUps.listen('a', (message) => heard.push(message));
  wakeUps.listen('b', () => assert.fail('another channel')).close();
  await listening.ready;
  await redis.client().publish('a', 'one');
  await redis.client().publish('b', 'other');
  await redis.client().publish('a', 'two');
  await eventually(() => assert.deepEqual(heard, [null, 'one', 'two']));
});

test('listeners of one channel share its subscription, which ends with the last of them', async (t) => {
  const redis = await startRedis(t);
  const { wakeUps } = await open(t, redis);
  const first = wakeUps.listen('a', () => {});
  const second = wakeUps.listen('a', () => {});
  await Promise.all([first.ready, second.ready]);
  const subscribers = async () => (await redis.client().pubsub('NUMSUB', 'a'))[1];
  assert.equal(await subscribers(), 1);
  first.close();
  first.close();
  assert.equal(await subscribers(), 1);
  second.close();
  await eventually(async () => assert.equal(await subscribers(), 0));
});

test('after the server was away every listener is told to look again, and hears what follows', async (t) => {
  const redis = await startRedis(t);
  const { wakeUps } = await open(t, redis);
  const heard: (string | null)[] = [];
  const listening = wakeUps.listen('a', (message) => heard.push(message));
  await listening.ready;
  await redis.kill();
  const meanwhile = wakeUps.listen('b', (message) => heard.push(`b ${message}`));
  await redis.restart();
  await meanwhile.ready;
  // At least once: a connection that is made twice says so twice.
  await eventually(() => assert.ok(heard.filter((message) => message === null).length >= 2));
  assert.ok(heard.includes('b null'));
  // Published at once: told to look is told after the channel is subscribed anew.
  await redis.client().publish('a', 'after');
  await eventually(() => assert.ok(heard.includes('after')));
});

test('a listener that throws does not keep the others from hearing', async (t) => {
  const redis = await startRedis(t);
  const { wakeUps } = await open(t, redis);
  let heard = 0;
  wakeUps.listen('a', () => {
    throw new Error('defect of a listener');
  });
  await wakeUps.listen('a', () => (heard += 1)).ready;
  await redis.client().publish('a', 'x');
  await eventually(() => assert.ok(heard >= 1));
});

test('closing ends both connections, also while the server is away', async (t) => {
  const redis = await startRedis(t);
  const opened = await open(t, redis);
  assert.equal(opened.state, 'ready');
  await redis.kill();
  await eventually(() => assert.equal(opened.state, 'down'));
  await opened.close();
  assert.equal(opened.signal.aborted, true);
  await redis.restart();
  const names = async () => await redis.client().client('LIST');
  await eventually(async () => assert.doesNotMatch(String(await names()), /name=drover-/));
});
