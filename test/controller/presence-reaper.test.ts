import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPresenceReaper } from '../../controller/presence-reaper.ts';
import { startController } from '../../controller/run-controller.ts';
import { channelKeys } from '../../shared/coordination/channel/channel-keys.ts';
import { createChannels } from '../../shared/coordination/channel/create-channels.ts';
import { openCoordination } from '../../shared/coordination/open-coordination.ts';
import { silentLogger } from '../../shared/runtime/logger.ts';
import { eventually } from '../support/eventually.ts';
import type { Lifetime } from '../support/lifetime.ts';
import { ownPort } from '../support/own-port.ts';
import { startRedis } from '../support/redis.ts';
import { tempDirectory } from '../support/temp-directory.ts';

const keys = channelKeys('drover-services');

async function build(t: Lifetime) {
  const closers: (() => Promise<void>)[] = [];
  t.after(async () => {
    for (const close of closers.reverse()) await close();
  });
  const server = await startRedis(t);
  const redis = server.client();
  const coordination = openCoordination({ url: server.url, identity: 'test' });
  closers.push(() => coordination.close());
  await coordination.ready();
  /** A service that has connected these members, and is cut off from Redis without a word. */
  const leaveBehind = async (...members: string[]) => {
    const service = openCoordination({ url: server.url, identity: 'h1/service' });
    const channels = createChannels(service);
    await service.ready();
    for (const member of members) await channels.presence('users').join(member);
    service.redis.disconnect();
    await channels.close();
    await service.close();
    return service.participantId;
  };
  /** Its time is over: the clock of Redis cannot be moved. */
  const expire = (participantId: string) => redis.zadd(keys.participants, 1, participantId);
  let looks = 0;
  const reap = (isLeader: () => boolean) => {
    const counted = () => {
      looks += 1;
      return isLeader();
    };
    const reaper = createPresenceReaper({ coordination, isLeader: counted, intervalMs: 10 });
    closers.push(() => reaper.close());
  };
  return { url: server.url, redis, leaveBehind, expire, reap, looks: () => looks };
}

test('what the last services had present when they died goes, all of it, and who may live still keeps it', async (t) => {
  const { redis, leaveBehind, expire, reap, looks } = await build(t);
  const [dead, silent] = [await leaveBehind('ada', 'bob'), await leaveBehind('carol')];
  assert.equal(await redis.hget(keys.presences, 'users'), '3');
  await expire(dead);
  reap(() => true);
  await eventually(async () => assert.equal(await redis.hget(keys.presences, 'users'), '1'));
  await eventually(async () => assert.equal(await redis.zcard(keys.participants), 1));
  await eventually(() => assert.ok(looks() >= 5));
  const left = [keys.participants, keys.presences, keys.participantPresences(silent)];
  left.push(keys.presenceAt('users', silent), keys.presenceMember('users', 'carol'));
  assert.deepEqual((await redis.keys('drover-services:channel:*')).sort(), left.sort());
  await expire(silent);
  await eventually(async () => assert.deepEqual(await redis.keys('drover-services:channel:*'), []));
});

test('a controller that does not lead leaves it', async (t) => {
  const { redis, leaveBehind, expire, reap, looks } = await build(t);
  await expire(await leaveBehind('ada'));
  let leads = false;
  reap(() => leads);
  await eventually(() => assert.ok(looks() >= 3));
  assert.equal(await redis.hget(keys.presences, 'users'), '1');
  leads = true;
  await eventually(async () => assert.equal(await redis.exists(keys.presences), 0));
});

test('a controller that leads does it', async (t) => {
  const { url, redis, leaveBehind, expire } = await build(t);
  await expire(await leaveBehind('ada'));
  const controller = await startController(
    { listen: `127.0.0.1:${await ownPort()}`, data: tempDirectory(t), redisUrl: url },
    { logger: silentLogger, signal: new AbortController().signal, looksEachMs: 50 },
  );
  try {
    await eventually(async () => assert.equal(await redis.exists(keys.presences), 0), { timeoutMs: 15_000 });
  } finally {
    await controller.close();
  }
});
