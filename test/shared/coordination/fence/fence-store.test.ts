import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';

import type { FenceStore } from '../../../../shared/coordination/fence/fence-store.ts';
import { createMemoryFenceStore } from '../../../../shared/coordination/fence/memory-fence-store.ts';
import { createRedisFenceStore } from '../../../../shared/coordination/fence/redis-fence-store.ts';
import { createSqlFence } from '../../../../shared/coordination/fence/sql-fence.ts';
import { fromSqlite } from '../../../../shared/coordination/sql.ts';
import { startRedis } from '../../../support/redis.ts';

const stores: Record<string, (t: TestContext) => Promise<FenceStore>> = {
  memory: async () => createMemoryFenceStore(),
  Redis: async (t) => createRedisFenceStore({ redis: (await startRedis(t)).client(), prefix: 'stock' }),
  async SQL(t) {
    const handle = new DatabaseSync(':memory:');
    t.after(() => handle.close());
    const fence = createSqlFence({ dialect: 'sqlite' });
    await fence.createTable(fromSqlite(handle));
    return fence.toStore(fromSqlite(handle));
  },
};

for (const [kind, create] of Object.entries(stores)) {
  test(`a store in ${kind} answers false to a token below the highest of its name`, async (t) => {
    const store = await create(t);
    const shown: [name: string, token: number, isCurrent: boolean][] = [
      ['a', 5, true],
      ['a', 5, true],
      ['a', 4, false],
      ['b', 1, true],
      ['a', 1_800_000_000_000_002, true],
      ['a', 1_800_000_000_000_001, false],
      ['a', 1_800_000_000_000_002, true],
      ['b', 1, true],
    ];
    for (const [name, token, isCurrent] of shown) assert.equal(await store.raise({ name, token }), isCurrent);
    await assert.rejects(store.raise({ name: '', token: 1 }), { code: 'ARGUMENT_INVALID' });
    await assert.rejects(store.raise({ name: 'a', token: 0 }), { code: 'ARGUMENT_INVALID' });
  });
}

test('a name that nobody uses is forgotten by Redis in the end, and one in use is not', async (t) => {
  const redis = (await startRedis(t)).client();
  const store = createRedisFenceStore({ redis, prefix: 'stock', keepMs: 60_000 });
  await store.raise({ name: 'a', token: 5 });
  await redis.pexpire('stock:fence:a', 30_000);
  assert.equal(await store.raise({ name: 'a', token: 4 }), false);
  assert.ok((await redis.pttl('stock:fence:a')) > 30_000);
});
