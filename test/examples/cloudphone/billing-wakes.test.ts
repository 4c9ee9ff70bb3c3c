import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';

import type * as Stores from '../../../examples/cloudphone/billing-service/order-store.ts';
import type * as Routes from '../../../examples/cloudphone/billing-service/routes.ts';
import type * as Databases from '../../../examples/cloudphone/shared/database.ts';
import { connect, createSqlCallbackTable } from '../../../sdk/index.ts';
import { silentLogger } from '../../../shared/runtime/logger.ts';
import { openLifetime } from '../../faults/lib/open-lifetime.ts';
import { startRedis } from '../../support/redis.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import { layOutExample } from '../run-example.ts';

test('the relay is woken by requests that have something to tell, and by no others', async (t) => {
  const lifetime = openLifetime();
  t.after(() => lifetime.end());
  const directory = layOutExample(lifetime, 'cloudphone');
  const load = async (file: string) => await import(join(directory, file));
  const { openDatabase } = (await load('shared/database.ts')) as typeof Databases;
  const { createOrderStore } = (await load('billing-service/order-store.ts')) as typeof Stores;
  const { buildRoutes } = (await load('billing-service/routes.ts')) as typeof Routes;

  const { url } = await startRedis(lifetime);
  const database = openDatabase(`sqlite:${join(tempDirectory(lifetime), 'billing.db')}`);
  lifetime.after(() => database.close());
  const drover = connect({ url, logger: silentLogger });
  lifetime.after(() => drover.close());
  await drover.ready();
  const store = createOrderStore(database);
  const callbackTable = createSqlCallbackTable({ database });
  await store.create();
  await callbackTable.create();
  let wakes = 0;
  const app = buildRoutes({
    ...{
      database,
      store,
      relay: { wake: () => void wakes++ },
      callbacks: drover.callbacks({ database: callbackTable }),
    },
    ...{ signature: { secret: undefined, isRequired: false }, isUserRequired: false, orderTtlMs: 60_000 },
  });
  lifetime.after(() => app.close());

  async function expectWakes(count: number, call: { path: string; body?: object; status?: number }) {
    const before = wakes;
    const { path, body = {}, status = 200 } = call;
    const answer = await app.inject({ method: 'POST', url: path, payload: body });
    assert.equal(answer.statusCode, status, answer.body);
    await nextTurn();
    assert.equal(wakes - before, count, `${path} ${JSON.stringify(body)}`);
    return answer.json();
  }
  const place = async () => {
    const body = { userId: 'ann', planId: 'basic', amount: 1 };
    return String((await expectWakes(0, { path: '/orders', body, status: 201 })).id);
  };
  const pay = (count: number, body: object) => expectWakes(count, { path: '/webhooks/payment', body });

  const cancelled = await place();
  await expectWakes(1, { path: `/orders/${cancelled}/cancel` });
  await expectWakes(0, { path: `/orders/${cancelled}/cancel`, status: 409 });
  await pay(1, { orderId: cancelled, status: 'paid' });
  const paid = await place();
  await pay(0, { orderId: paid, status: 'failed' });
  await pay(1, { orderId: paid, status: 'paid' });
  await pay(0, { orderId: paid, status: 'paid' });
  await pay(0, { orderId: paid, status: 'paid', told: 'in other words' });
  await expectWakes(1, { path: `/orders/${paid}/refund` });
});
