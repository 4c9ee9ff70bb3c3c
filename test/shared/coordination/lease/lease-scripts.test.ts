import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import { leaseKeys } from '../../../../shared/coordination/lease/lease-keys.ts';
import {
  acquireLease,
  leaveLine,
  releaseLease,
  renewLease,
  standForLease,
} from '../../../../shared/coordination/lease/lease-scripts.ts';
import { seedBoot } from '../../../../shared/coordination/lease/seed-boot.ts';
import { eventually } from '../../../support/eventually.ts';
import { startRedis } from '../../../support/redis.ts';

/** Far above the length of one history, so that a lease ends only where the history says so. */
const ttlMs = 60_000;

const holder = fc.constantFrom('a', 'b', 'c');
const step = fc.oneof(
  fc.record({ verb: fc.constantFrom('acquire', 'renew', 'release'), token: holder }),
  fc.record({ verb: fc.constantFrom('expire', 'loseCounter'), token: fc.constant('') }),
);

test('over any history there is one holder, and each new tenure has a higher epoch', async (t) => {
  const redis = (await startRedis(t)).client();
  const keys = leaseKeys('property');
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      await redis.flushall();
      await seedBoot(redis);
      let current: { token: string; epoch: number } | undefined;
      let highest = 0;
      for (const { verb, token } of steps) {
        switch (verb) {
          case 'acquire': {
            const reply = await acquireLease.run(redis, [keys.lease, keys.epoch, keys.boot], [token, ttlMs, 'data']);
            if (current !== undefined && current.token !== token) {
              assert.equal(reply[0], 'held');
            } else if (current !== undefined) {
              assert.deepEqual(reply, ['acquired', String(current.epoch)]);
            } else {
              assert.equal(reply[0], 'acquired');
              const epoch = Number(reply[1]);
              assert.ok(epoch > highest && Number.isSafeInteger(epoch));
              current = { token, epoch };
              highest = epoch;
            }
            break;
          }
          case 'renew': {
            const expected = current === undefined ? 'expired' : current.token === token ? 'renewed' : 'taken';
            assert.equal(await renewLease.run(redis, [keys.lease], [token, ttlMs]), expected);
            break;
          }
          case 'release': {
            const isHolder = current?.token === token;
            assert.equal(await releaseLease.run(redis, [keys.lease], [token, keys.wakeChannel]), isHolder ? 1 : 0);
            if (isHolder) current = undefined;
            break;
          }
          case 'expire':
            await redis.del(keys.lease);
            current = undefined;
            break;
          case 'loseCounter':
            if (current === undefined) await redis.del(keys.epoch);
        }
      }
    }),
    { numRuns: 100 },
  );
});

const candidate = fc.constantFrom('a', 'b', 'c', 'd');
const move = fc.record({
  verb: fc.constantFrom('stand', 'stand', 'stand', 'release', 'leave', 'die', 'clockBack', 'repeat'),
  who: candidate,
});

test('over any history the lease goes to the first in line, once for each place', async (t) => {
  const redis = (await startRedis(t)).client();
  const keys = leaseKeys('line');
  const granting = [keys.lease, keys.epoch, keys.boot, keys.line, keys.seen] as const;
  const ask = (who: string, token: string) =>
    standForLease.run(redis, [...granting], [token, ttlMs, 'data', who, ttlMs, keys.wakeChannel]);
  await fc.assert(
    fc.asyncProperty(fc.array(move, { maxLength: 60, size: 'max' }), async (moves) => {
      await redis.flushall();
      await seedBoot(redis);
      let queue: string[] = [];
      const silent = new Set<string>();
      let current: { who: string; token: string; epoch: number } | undefined;
      let highest = 0;
      let tokens = 0;
      for (const { verb, who } of moves) {
        switch (verb) {
          case 'stand': {
            if (current?.who === who) break;
            silent.delete(who);
            queue = queue.filter((one) => !silent.has(one));
            silent.clear();
            if (!queue.includes(who)) queue.push(who);
            const token = `${who}${++tokens}`;
            const reply = await ask(who, token);
            if (current !== undefined || queue[0] !== who) {
              assert.equal(reply[0], 'held');
              assert.equal(reply[2], queue.indexOf(who));
              break;
            }
            assert.equal(reply[0], 'acquired');
            const epoch = Number(reply[1]);
            assert.ok(epoch > highest);
            highest = epoch;
            current = { who, token, epoch };
            queue.shift();
            break;
          }
          case 'repeat':
            if (current === undefined) break;
            assert.deepEqual(await ask(current.who, current.token), ['acquired', String(current.epoch)]);
            break;
          case 'release':
            if (current === undefined) break;
            assert.equal(await releaseLease.run(redis, [keys.lease], [current.token, keys.wakeChannel]), 1);
            current = undefined;
            break;
          case 'leave': {
            const isHolder = current?.who === who;
            const token = isHolder ? current!.token : '';
            const reply = await leaveLine.run(
              redis,
              [keys.lease, keys.line, keys.seen],
              [token, who, keys.wakeChannel],
            );
            assert.equal(reply, isHolder ? 1 : 0);
            if (isHolder) current = undefined;
            queue = queue.filter((one) => one !== who);
            silent.delete(who);
            break;
          }
          case 'die':
            // As if its last sign of life were long ago; the next who asks sees it.
            if (!queue.includes(who)) break;
            await redis.zadd(keys.seen, 1, who);
            silent.add(who);
            break;
          case 'clockBack':
            // As if it had asked before the server's clock went back.
            if (queue.includes(who) && !silent.has(who)) await redis.zadd(keys.seen, Date.now() + 10 * ttlMs, who);
        }
      }
      assert.deepEqual(await redis.zrange(keys.line, '0', '-1'), queue);
      assert.deepEqual((await redis.zrange(keys.seen, '0', '-1')).sort(), [...queue].sort());
    }),
    { numRuns: 200 },
  );
});

test('a place seen in the future lasts no longer than any other', async (t) => {
  const redis = (await startRedis(t)).client();
  const keys = leaseKeys('line');
  const granting = [keys.lease, keys.epoch, keys.boot, keys.line, keys.seen] as const;
  const keptMs = 100;
  const ask = (who: string) =>
    standForLease.run(redis, [...granting], [`${who} token`, ttlMs, 'data', who, keptMs, keys.wakeChannel]);
  await seedBoot(redis);
  await redis.zadd(keys.line, 1, 'dead');
  await redis.zadd(keys.seen, Date.now() + 10 * ttlMs, 'dead');
  assert.deepEqual(await ask('alive'), ['held', 0, 1]);
  await eventually(async () => (await ask('alive'))[0] === 'acquired');
});
