import assert from 'node:assert/strict';
import { test } from 'node:test';

import { channelKeys } from '../../../../shared/coordination/channel/channel-keys.ts';
import type { PresenceEvent } from '../../../../shared/coordination/channel/presence.ts';
import { startClient } from '../../../faults/lib/client-process.ts';
import { eventually } from '../../../support/eventually.ts';
import { startRedis } from '../../../support/redis.ts';
import { openChannels } from './support/open-channels.ts';

const keys = channelKeys('drover-services');

test('who joins is listed and located with its place and meta, and who leaves is not', async (t) => {
  const redis = await startRedis(t);
  const a = await openChannels(t, redis.url, 'host-a/1');
  const b = await openChannels(t, redis.url, 'host-b/1');
  const events: [string, string][] = [];
  await b.presence('users').subscribe(({ type, member }) => events.push([type, member])).ready;
  const phone = await a.presence('users').join('ada', { device: 'phone' });
  const laptop = await b.presence('users').join('ada', { device: 'laptop' });
  await b.presence('users').join('bob');
  const located = await a.presence('users').locate('ada');
  assert.deepEqual(located.map(({ identity, meta }) => [identity, meta]).sort(), [
    ['host-a/1', { device: 'phone' }],
    ['host-b/1', { device: 'laptop' }],
  ]);
  assert.equal((await a.presence('users').list()).length, 3);
  assert.equal((await a.presence('users').list({ limit: 2 })).length, 2);
  assert.deepEqual(await a.list(), [{ name: 'users', kind: 'presence', subscribers: 0, length: 3, groups: [] }]);
  await phone.leave();
  await phone.leave();
  await laptop.leave();
  assert.deepEqual(await a.presence('users').locate('ada'), []);
  await eventually(() =>
    assert.deepEqual(events, [
      ['joined', 'ada'],
      ['joined', 'bob'],
      ['left', 'ada'],
    ]),
  );
});

test('members of a participant that was killed are gone when its time is over, and others are told', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  const users = channels.presence('users');
  const events: PresenceEvent[] = [];
  await users.subscribe((event) => events.push(event)).ready;
  await users.join('bob');
  const victim = startClient(new URL('../../../fixtures/joins-presence.ts', import.meta.url), 'victim', {
    url: redis.url,
  });
  t.after(() => victim.kill());
  await eventually(() => assert.ok(victim.lines.includes('joined')), { timeoutMs: 15_000 });
  assert.equal((await users.locate('ada')).length, 1);
  await victim.kill();
  await eventually(async () => assert.deepEqual(await users.locate('ada'), []), { timeoutMs: 12_000 });
  assert.deepEqual(
    (await users.list()).map(({ member }) => member),
    ['bob'],
  );
  await eventually(() => assert.equal(events.at(-1)!.reason, 'expired'), { timeoutMs: 6000 });
  assert.equal(events.at(-1)!.member, 'ada');
  // Nothing is left of it.
  await eventually(async () => assert.equal(await redis.client().zcard(keys.participants), 1));
  await eventually(async () => assert.deepEqual(await redis.client().keys('*ada*'), []), { timeoutMs: 12_000 });
});

test('who was present is present again within two seconds when the server came back empty', async (t) => {
  const redis = await startRedis(t);
  const channels = await openChannels(t, redis.url);
  const users = channels.presence('users');
  for (let user = 0; user < 500; user++) await users.join(`user-${user}`);
  const gone = await users.join('gone');
  await redis.kill();
  await gone.leave();
  const late = await users.join('late');
  await redis.restart();
  await eventually(async () => assert.equal((await users.list()).length, 501), { timeoutMs: 2000 });
  assert.equal((await users.locate('gone')).length, 0);
  assert.equal((await users.locate('late')).length, 1);
  await late.leave();
  assert.equal((await users.locate('late')).length, 0);
});

test('a leaving while the server is away is told when it is back with its data', async (t) => {
  const redis = await startRedis(t, { appendonly: true });
  const channels = await openChannels(t, redis.url);
  const users = channels.presence('users');
  await users.join('ada');
  const bob = await users.join('bob');
  await redis.kill();
  await bob.leave();
  await redis.restart();
  await eventually(
    async () =>
      assert.deepEqual(
        (await users.list()).map(({ member }) => member),
        ['ada'],
      ),
    {
      timeoutMs: 2000,
    },
  );
});

test('closing leaves all presences at once', async (t) => {
  const redis = await startRedis(t);
  const a = await openChannels(t, redis.url, 'host-a/1');
  const b = await openChannels(t, redis.url, 'host-b/1');
  await a.presence('users').join('ada');
  await a.presence('rooms').join('ada');
  await a.close();
  assert.deepEqual(await b.presence('users').list(), []);
  assert.deepEqual(await b.list(), []);
});
