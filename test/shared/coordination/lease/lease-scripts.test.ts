import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import { leaseKeys } from '../../../../shared/coordination/lease/lease-keys.ts';
import { acquireLease, releaseLease, renewLease } from '../../../../shared/coordination/lease/lease-scripts.ts';
import { seedBoot } from '../../../../shared/coordination/lease/seed-boot.ts';
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
