import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fencedScript } from '../../../../shared/coordination/fence/fenced-script.ts';
import { startRedis } from '../../../support/redis.ts';

const write = fencedScript("return redis.call('SET', KEYS[1], ARGV[1])");
const stale = { code: 'FENCE_STALE' };
const input = (value: string) => ({ keys: ['stock'], args: [value] });

test('a write runs only while the key of the lock holds the token', async (t) => {
  const redis = (await startRedis(t)).client();
  const fence = (token: number) => ({ name: 'a', token, lockKey: 'lock' });
  await redis.set('lock', 'holder 5 host/1');
  assert.equal(await write.runHeld(redis, fence(5), input('five')), 'OK');
  await redis.set('lock', 'next 6 host/2');
  await assert.rejects(write.runHeld(redis, fence(5), input('late')), stale);
  assert.equal(await redis.get('stock'), 'five');
  await redis.del('lock');
  await assert.rejects(write.runHeld(redis, fence(6), input('late')), stale);
  assert.equal(await redis.get('stock'), 'five');
});

test('a write runs unless the resource has seen a higher token, and says which', async (t) => {
  const redis = (await startRedis(t)).client();
  const fence = (token: number) => ({ name: 'a', token, fenceKey: 'stock:fence' });
  const [lower, higher] = [1_800_000_000_000_001, 1_800_000_000_000_002];
  assert.equal(await write.runHighest(redis, fence(higher), input('next')), 'OK');
  assert.equal(await write.runHighest(redis, fence(higher), input('again')), 'OK');
  await assert.rejects(write.runHighest(redis, fence(lower), input('late')), {
    ...stale,
    details: { name: 'a', token: lower, highest: higher },
  });
  assert.equal(await redis.get('stock'), 'again');
});

test('an error of the script itself stays what it is', async (t) => {
  const redis = (await startRedis(t)).client();
  const wrong = fencedScript("return redis.call('INCR', KEYS[1])");
  await redis.set('stock', 'text');
  const fence = { name: 'a', token: 1, fenceKey: 'f' };
  await assert.rejects(wrong.runHighest(redis, fence, { keys: ['stock'] }), /not an integer/);
});
