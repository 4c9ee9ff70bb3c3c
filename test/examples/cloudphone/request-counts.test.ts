import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Redis } from 'ioredis';

import { requestCounts } from '../../../examples/cloudphone/api-gateway/request-counts.ts';
import { eventually } from '../../support/eventually.ts';
import { startRedis } from '../../support/redis.ts';

const prefix = 'cloudphone:gateway:requests:';
const max = 100;

/** As so many gateways count, each over a connection of its own. */
async function openGateways(t: TestContext, count: number, windowMs: number) {
  const clients: Redis[] = [];
  t.after(() => {
    for (const client of clients) client.disconnect();
  });
  const redis = await startRedis(t);
  const gateways = Array.from({ length: count }, () => {
    const settings = { enableOfflineQueue: false, maxRetriesPerRequest: 0, retryStrategy: () => 20 };
    const client = new Redis({ ...settings, host: '127.0.0.1', port: redis.port });
    client.on('error', () => {});
    clients.push(client);
    const counts = new (requestCounts({ redis: client, prefix }))({});
    return (key: string) =>
      new Promise<number>((resolve, reject) => {
        const done = (error: Error | null, found?: { current: number }) =>
          error === null ? resolve(found!.current) : reject(error);
        counts.incr(key, done, windowMs, max);
      });
  });
  await eventually(() => assert.ok(clients.every(({ status }) => status === 'ready')));
  const told = async (key: string) => Number(await redis.client().get(prefix + key));
  return { redis, gateways, told };
}

test('a burst gets past the limit by a tenth for each other gateway at most, and all of it is counted', async (t) => {
  const { gateways, told } = await openGateways(t, 10, 600_000);
  // All know the user, and that it is far from the limit.
  for (const count of gateways) await count('ann');
  const burst = await Promise.all(Array.from({ length: 300 }, (_, index) => gateways[index % 10]!('ann')));
  const passed = gateways.length + burst.filter((current) => current <= max).length;
  assert.ok(passed >= max && passed <= max + (9 * max) / 10, `${passed} passed`);
  await eventually(async () => assert.equal(await told('ann'), 310));
  for (const count of gateways) assert.ok((await count('ann')) > max);
});

test('when its time is over the count begins anew, also of who is not made to wait', async (t) => {
  const { gateways } = await openGateways(t, 2, 500);
  for (const count of gateways) {
    await count('ann');
    await count('ann');
    await eventually(async () => assert.equal(await count('ann'), 1));
  }
});

test('a Redis that is away makes nobody wait who is known, and whoever is counted again is counted from there', async (t) => {
  const { redis, gateways, told } = await openGateways(t, 1, 600_000);
  const count = gateways[0]!;
  assert.equal(await count('ann'), 1);
  await redis.kill();
  await assert.rejects(count('bob'));
  // The one before was told to nobody, or is about to be.
  for (let index = 0; index < 3; index++) assert.ok([2, 3, 4].includes(await count('ann')));
  await redis.restart();
  await eventually(async () => {
    await count('ann');
    assert.ok((await told('ann')) > 0);
  });
});
