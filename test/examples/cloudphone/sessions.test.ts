import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';

import { createSessions } from '../../../examples/cloudphone/user-service/sessions.ts';
import { createSigningKeys } from '../../../examples/cloudphone/user-service/signing-keys.ts';
import { connect, type Drover } from '../../../sdk/index.ts';
import { silentLogger } from '../../../shared/runtime/logger.ts';
import { startRedis } from '../../support/redis.ts';

const key = 'cloudphone:users:sessions:ann';
const sessionTtlMs = 3_600_000;

/** What two instances of user-service do with sessions. */
async function openTwo(t: TestContext) {
  const drovers: Drover[] = [];
  // They leave before the server goes.
  t.after(async () => void (await Promise.all(drovers.map((drover) => drover.close()))));
  const redis = await startRedis(t);
  drovers.push(...[0, 1].map(() => connect({ url: redis.url, prefix: 'cloudphone', logger: silentLogger })));
  await Promise.all(drovers.map((drover) => drover.ready()));
  const [a, b] = drovers.map((drover) => {
    const keys = createSigningKeys({ drover, secret: 'secret', tokenTtlMs: 60_000 });
    return createSessions({ drover, keys, tokenTtlMs: 60_000, sessionTtlMs });
  });
  return { a: a!, b: b!, redis: redis.client() };
}

test('logins of a user at two instances at once leave no more sessions than the limit', async (t) => {
  const { a, b, redis } = await openTwo(t);
  await Promise.all(Array.from({ length: 120 }, (_, index) => (index % 2 === 0 ? a : b).begin('ann')));
  assert.equal(await redis.hlen(key), 50);
  assert.equal((await b.list('ann')).length, 50);
});

test('a session takes the place of those that have ended, and of the oldest where there are too many', async (t) => {
  const { a, redis } = await openTwo(t);
  const now = Date.now();
  const ended = Array.from({ length: 7 }, (_, index) => [`ended-${index}`, now - index]);
  const open = Array.from({ length: 52 }, (_, index) => [`open-${index}`, now + 60_000 + index]);
  await redis.hset(key, Object.fromEntries([...open, ...ended]));
  await a.begin('ann');
  const ids = await redis.hkeys(key);
  assert.equal(ids.length, 50);
  const kept = ids.filter((id) => id.startsWith('open-')).map((id) => Number(id.slice('open-'.length)));
  assert.deepEqual(
    kept.sort((x, y) => x - y),
    Array.from({ length: 49 }, (_, index) => index + 3),
  );
});

test('a login is one command, after which the sessions of the user expire by themselves', async (t) => {
  const { a, redis } = await openTwo(t);
  await a.begin('bob');
  const countCommands = async () => {
    const text = await redis.info('commandstats');
    return Number(/cmdstat_eval:calls=(\d+)/.exec(text)?.[1]);
  };
  const before = await countCommands();
  await a.begin('ann');
  assert.equal((await countCommands()) - before, 1);
  const leftMs = await redis.pttl(key);
  assert.ok(leftMs > sessionTtlMs - 60_000 && leftMs <= sessionTtlMs, `${leftMs} ms`);
});
