import assert from 'node:assert/strict';
import { test } from 'node:test';

import { eventually } from '../../support/eventually.ts';
import { startRedis } from '../../support/redis.ts';
import { startChat } from './start-chat.ts';

for (const sharded of [false, true]) {
  const name = sharded ? 'sharded' : 'plain';

  test(`an event reaches the clients of every server (${name})`, async (t) => {
    const redis = await startRedis(t);
    const a = await startChat(t, redis.url, { sharded });
    const b = await startChat(t, redis.url, { sharded });
    await Promise.all([a.mounted.ready(), b.mounted.ready()]);
    const heard: [string, unknown][] = [];
    (await a.client()).on('news', (news) => heard.push(['a', news]));
    (await b.client()).on('news', (news) => heard.push(['b', news]));
    await eventually(async () => assert.equal((await a.io.fetchSockets()).length, 2));
    a.io.emit('news', 'hello');
    await eventually(() =>
      assert.deepEqual(heard.toSorted(), [
        ['a', 'hello'],
        ['b', 'hello'],
      ]),
    );
    b.io.on('ask', (question: string, answer: (text: string) => void) => answer(`${question}!`));
    assert.deepEqual(await a.io.serverSideEmitWithAck('ask', 'who'), ['who!']);
  });

  test(`while Redis is away nothing throws, afterwards a gap is told and events pass again (${name})`, async (t) => {
    const redis = await startRedis(t);
    const gaps: number[] = [];
    const a = await startChat(t, redis.url, { sharded, onGap: (sinceMs) => gaps.push(sinceMs) });
    const b = await startChat(t, redis.url, { sharded });
    await Promise.all([a.mounted.ready(), b.mounted.ready()]);
    const heard: string[] = [];
    (await a.client()).on('news', (news) => heard.push(`a ${news}`));
    (await b.client()).on('news', (news) => heard.push(`b ${news}`));
    await redis.kill();
    await eventually(() => assert.equal(a.coordination.state, 'down'));
    a.io.emit('news', 'lost');
    a.io.to('room').emit('news', 'for nobody');
    await eventually(() => assert.deepEqual(heard, ['a lost']));
    await redis.restart();
    await eventually(() => assert.equal(gaps.length, 1), { timeoutMs: 2000 });
    await Promise.all([a.mounted.ready(), b.mounted.ready()]);
    a.io.emit('news', 'back');
    await eventually(() => assert.deepEqual(heard.slice(1).toSorted(), ['a back', 'b back']), { timeoutMs: 2000 });
    assert.equal(gaps.length, 1);
  });
}

test('servers with another key do not hear each other, and a bad key is refused', async (t) => {
  const redis = await startRedis(t);
  const a = await startChat(t, redis.url, { key: 'chat' });
  const b = await startChat(t, redis.url, { key: 'news' });
  await Promise.all([a.mounted.ready(), b.mounted.ready()]);
  await b.client();
  assert.equal((await a.io.fetchSockets()).length, 0);
  const channels = (await redis.client().pubsub('CHANNELS', '*')) as string[];
  assert.ok(
    channels.every((channel) => channel.startsWith('drover-services:channel:')),
    String(channels),
  );
  await assert.rejects(startChat(t, redis.url, { key: 'a b' }), { code: 'ARGUMENT_INVALID' });
});

test('closing ends the connections of the adapter, and what is emitted later throws nothing', async (t) => {
  const redis = await startRedis(t);
  const a = await startChat(t, redis.url);
  await a.mounted.ready();
  await a.mounted.close();
  a.io.emit('news', 'late');
  await a.coordination.close();
  await eventually(async () => {
    assert.doesNotMatch(String(await redis.client().client('LIST')), /name=drover-/);
  });
  await assert.rejects(a.mounted.ready(), { code: 'STORE_UNREACHABLE' });
});
