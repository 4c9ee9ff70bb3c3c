import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { openTestDrover, startTestRedis } from '../../../sdk/testing/index.ts';
import { silentLogger } from '../../../shared/runtime/logger.ts';
import { eventually } from '../../support/eventually.ts';

test('a test has a Redis of its own, several participants, and nothing left afterwards', async () => {
  let pid = 0;
  {
    await using drover = await openTestDrover();
    pid = drover.redis!.pid;
    const second = await drover.another({ host: 'host-b' });
    assert.equal(second.host, 'host-b');
    assert.notEqual(second.identity, drover.identity);
    // Nothing to wait for: a server without data would make its first holder wait for one ttl.
    const lock = await drover.tryLock('order:1', { ttlMs: 60_000 });
    assert.ok(lock);
    assert.equal(await second.tryLock('order:1'), null);
    await lock.release();
    assert.ok(await second.tryLock('order:1'));
  }
  await eventually(() => !existsSync(`/proc/${pid}`));
});

test('two tests on one Redis see nothing of each other', async (t) => {
  const redis = await startTestRedis();
  t.after(() => redis.close());
  await using one = await openTestDrover({ redis });
  await using two = await openTestDrover({ redis });
  assert.ok(await one.tryLock('order:1'));
  assert.ok(await two.tryLock('order:1'));
});

test('a server that is not there fails the test soon', async () => {
  const redis = await startTestRedis();
  await redis.close();
  await assert.rejects(openTestDrover({ redis: redis.url, logger: silentLogger }), { name: 'TimeoutError' });
});
