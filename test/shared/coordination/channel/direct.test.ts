import assert from 'node:assert/strict';
import { test } from 'node:test';

import { eventually } from '../../../support/eventually.ts';
import { startRedis } from '../../../support/redis.ts';
import { openChannels } from './support/open-channels.ts';

test('a message reaches all connections of a member on all instances, and nobody else', async (t) => {
  const redis = await startRedis(t);
  const a = await openChannels(t, redis.url, 'host-a/1');
  const b = await openChannels(t, redis.url, 'host-b/1');
  const heard: [string, string][] = [];
  const connections = [
    a.direct<string>('chat').onMessage('ada', (text) => heard.push(['phone', text])),
    b.direct<string>('chat').onMessage('ada', (text) => heard.push(['laptop', text])),
    b.direct<string>('chat').onMessage('ada', (text) => heard.push(['tablet', text])),
    b.direct<string>('chat').onMessage('bob', (text) => heard.push(['bob', text])),
    b.direct<string>('news').onMessage('ada', (text) => heard.push(['news', text])),
  ];
  await Promise.all(connections.map(({ ready }) => ready));
  assert.equal(await a.direct('chat').send('ada', 'hello'), 3);
  await eventually(() =>
    assert.deepEqual(heard.toSorted(), [
      ['laptop', 'hello'],
      ['phone', 'hello'],
      ['tablet', 'hello'],
    ]),
  );
  await connections[1]!.close();
  assert.equal(await a.direct('chat').send('ada', 'again'), 2);
  await connections[0]!.close();
  await connections[2]!.close();
  assert.equal(await a.direct('chat').send('ada', 'nobody'), 0);
});

test('who is present without taking messages is not counted', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  await channels.presence('chat').join('ada');
  assert.equal(await channels.direct('chat').send('ada', 'hello'), 0);
  assert.equal((await channels.presence('chat').locate('ada')).length, 1);
});

test('a handler that throws does not keep the next message away', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  const heard: number[] = [];
  const chat = channels.direct<number>('chat');
  await chat.onMessage('ada', (number) => {
    heard.push(number);
    throw new Error('defect of a handler');
  }).ready;
  await chat.send('ada', 1);
  await chat.send('ada', 2);
  await eventually(() => assert.deepEqual(heard, [1, 2]));
});

test('after the server came back empty members are reached again within two seconds', async (t) => {
  const redis = await startRedis(t);
  const a = await openChannels(t, redis.url, 'host-a/1');
  const b = await openChannels(t, redis.url, 'host-b/1');
  const heard: string[] = [];
  await a.direct<string>('chat').onMessage('ada', (text) => heard.push(text)).ready;
  await redis.restart();
  await eventually(async () => assert.equal(await b.direct('chat').send('ada', 'hello'), 1), { timeoutMs: 2000 });
  await eventually(() => assert.deepEqual(heard, ['hello']));
});
