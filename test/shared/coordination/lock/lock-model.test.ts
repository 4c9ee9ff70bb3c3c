import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { seedBoot } from '../../../../shared/coordination/lease/seed-boot.ts';
import { createLocks } from '../../../../shared/coordination/lock/locks.ts';
import { openCoordination } from '../../../../shared/coordination/open-coordination.ts';
import { startRedis } from '../../../support/redis.ts';

const prefix = 'model';

test('whatever names are asked for together, no two overlap, nobody waits in a circle, and nothing is left', async (t) => {
  const closes: (() => Promise<void>)[] = [];
  t.after(async () => {
    for (const close of closes) await close();
  });
  const server = await startRedis(t);
  const redis = server.client();
  await seedBoot(redis, prefix);
  const participants = await Promise.all(
    [0, 1, 2].map(async (index) => {
      const coordination = openCoordination({ url: server.url, identity: `host/${index}`, prefix });
      closes.push(() => coordination.close());
      await coordination.ready();
      return createLocks(coordination);
    }),
  );
  const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 4 });
  const wants = fc.array(fc.record({ names, by: fc.nat(2) }), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(wants, async (all) => {
      const inside = new Set<string>();
      await Promise.all(
        all.map(async (want) => {
          const lock = await participants[want.by]!.lock(want.names, { ttlMs: 20_000, waitMs: 15_000 });
          for (const name of want.names) {
            assert.ok(!inside.has(name), `two hold ${name}`);
            inside.add(name);
          }
          await new Promise((resolve) => setImmediate(resolve));
          for (const name of want.names) inside.delete(name);
          await lock.release();
        }),
      );
      const left = (await redis.keys('*')).filter((key) => !/:(boot|epoch|awaiting)$/.test(key));
      assert.deepEqual(left, []);
    }),
    { numRuns: 300 },
  );
});
