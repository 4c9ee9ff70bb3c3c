import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';

import { channelKeys } from '../../../../shared/coordination/channel/channel-keys.ts';
import { eventually } from '../../../support/eventually.ts';
import { startRedis } from '../../../support/redis.ts';
import { openChannels } from './support/open-channels.ts';

const keys = channelKeys('drover-services');

test('messages wait for their user, in order, each once for each id, and are gone when delivered', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  const inbox = channels.inbox<string>('mail');
  await inbox.put('ada', 'one', { id: 'm-1' });
  await inbox.put('ada', 'one', { id: 'm-1' });
  for (let number = 2; number <= 25; number++) await inbox.put('ada', `${number}`);
  await inbox.put('bob', 'for bob');
  assert.deepEqual(await channels.list(), [{ name: 'mail', kind: 'inbox', subscribers: 0, length: 2, groups: [] }]);
  const heard: string[] = [];
  assert.equal(await inbox.deliver('ada', (text) => heard.push(text)), 25);
  assert.deepEqual(heard, ['one', ...Array.from({ length: 24 }, (_, index) => `${index + 2}`)]);
  assert.equal(await inbox.deliver('ada', () => assert.fail('delivered twice')), 0);
  assert.equal(await inbox.deliver('bob', () => {}), 1);
  assert.deepEqual(await channels.list(), []);
});

test('an error of the handler is rethrown as it is, and its message and the rest are delivered next time', async (t) => {
  const redis = await startRedis(t);
  const inbox = (await openChannels(t, redis.url)).inbox<number>('mail');
  for (const number of [1, 2, 3]) await inbox.put('ada', number);
  const error = new Error('no such phone');
  const failing = inbox.deliver('ada', (number) => {
    if (number === 2) throw error;
  });
  await assert.rejects(failing, (thrown) => thrown === error);
  const heard: number[] = [];
  assert.equal(await inbox.deliver('ada', (number) => heard.push(number)), 2);
  assert.deepEqual(heard, [2, 3]);
});

test('two connections of a user share what is there', async (t) => {
  const redis = await startRedis(t);
  const a = (await openChannels(t, redis.url, 'host-a/1')).inbox<number>('mail');
  const b = (await openChannels(t, redis.url, 'host-b/1')).inbox<number>('mail');
  for (let number = 0; number < 30; number++) await a.put('ada', number);
  const heard: number[] = [];
  await Promise.all([
    a.deliver('ada', (number) => heard.push(number)),
    b.deliver('ada', (number) => heard.push(number)),
  ]);
  assert.deepEqual(
    heard.toSorted((x, y) => x - y),
    Array.from({ length: 30 }, (_, index) => index),
  );
});

test('an inbox keeps the newest messages, and none that is too old', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  const inbox = channels.inbox<number>('mail', { maxLength: 3 });
  for (let number = 1; number <= 5; number++) await inbox.put('ada', number);
  const heard: number[] = [];
  await inbox.deliver('ada', (number) => heard.push(number));
  assert.deepEqual(heard, [3, 4, 5]);
  const old = channels.inbox<number>('old', { maxAgeMs: 60_000 });
  const oldId = `${Date.now() - 61_000}-0`;
  await redis.client().xadd(keys.inbox('old', 'ada'), oldId, 'm', '1');
  await old.put('ada', 2);
  await old.deliver('ada', (number) => heard.push(number));
  assert.deepEqual(heard, [3, 4, 5, 2]);
});

test('who follows an inbox gets what is there, what comes, and what came while the server was away', async (t) => {
  const redis = await startRedis(t, { appendonly: true });
  const channels = await openChannels(t, redis.url);
  const inbox = channels.inbox<number>('mail');
  const heard: number[] = [];
  await inbox.put('ada', 1);
  const following = inbox.follow('ada', (number) => heard.push(number));
  await eventually(() => assert.deepEqual(heard, [1]));
  await inbox.put('ada', 2);
  await eventually(() => assert.deepEqual(heard, [1, 2]));
  await redis.restart();
  await eventually(async () => void (await inbox.put('ada', 3, { id: 'three' })));
  await eventually(() => assert.deepEqual(heard, [1, 2, 3]), { timeoutMs: 2000 });
  await following.close();
});

test('who follows an inbox stops when its participant leaves, without being closed himself', async (t) => {
  const redis = await startRedis(t);
  const url = JSON.stringify(redis.url);
  const folder = new URL('../../../../shared/coordination/', import.meta.url).href;
  const program = `
    import { openCoordination } from '${folder}open-coordination.ts';
    import { createChannels } from '${folder}channel/create-channels.ts';
    const coordination = openCoordination({ url: ${url}, identity: 'host/1' });
    await coordination.ready();
    const channels = createChannels(coordination);
    const inbox = channels.inbox('mail');
    await inbox.put('ada', 1);
    await new Promise((heard) => inbox.follow('ada', heard));
    await channels.close();
    await coordination.close();
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' });
  t.after(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  const code = await Promise.race([
    ended,
    new Promise((resolve) => setTimeout(resolve, 30_000, 'still running').unref()),
  ]);
  assert.deepEqual(code, [0, null]);
});
