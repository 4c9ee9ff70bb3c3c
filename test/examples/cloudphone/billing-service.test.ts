import assert from 'node:assert/strict';
import { test } from 'node:test';

import { skipWithoutPostgres } from '../../support/postgres.ts';
import { type Dialect, openBillingGround } from './billing-ground.ts';
import { ask, payByForm, placeOrder } from './billing-requests.ts';

const dialects: readonly { dialect: Dialect; skip: string | false }[] = [
  { dialect: 'postgres', skip: skipWithoutPostgres },
  { dialect: 'sqlite', skip: false },
];

for (const { dialect, skip } of dialects) {
  test(`${dialect}: a payment that is told twice, and a hundred times at once, pays the order once`, {
    skip,
  }, async (t) => {
    const { bill, sql } = await openBillingGround(t, dialect);
    const instances = await Promise.all([bill('host-1'), bill('host-2'), bill('host-3')]);
    const urls = instances.map(({ url }) => url);
    assert.equal((await ask(`${urls[0]}/health`)).body.dialect, dialect);

    const order = await placeOrder(urls[0]!, { userId: 'test', planId: 'basic', amount: 100 });
    assert.equal(order.status, 'PENDING');
    const first = await payByForm(urls[1]!, `orderId=${order.id}&status=paid`);
    const second = await payByForm(urls[2]!, `orderId=${order.id}&status=paid`);
    assert.deepEqual([first.status, second.status], [200, 200]);
    assert.equal(second.text, first.text);
    assert.equal(second.headers.get('drover-replayed'), 'true');
    assert.equal((await ask(`${urls[0]}/orders/${order.id}`)).body.status, 'PAID');

    const many = await placeOrder(urls[0]!, { userId: 'test', planId: 'basic', amount: 7 });
    const deliveries = Array.from({ length: 100 }, (_, n) =>
      payByForm(urls[n % 3]!, `orderId=${many.id}&status=paid&paymentId=p-7&eventId=e-7`),
    );
    const answers = await Promise.all(deliveries);
    assert.deepEqual(
      [...new Set(answers.map(({ status, text }) => `${status} ${text}`))],
      [`200 {"orderId":"${many.id}","status":"PAID","payment":"booked"}`],
    );
    assert.equal(answers.filter(({ headers }) => !headers.has('drover-replayed')).length, 1);
    assert.deepEqual((await ask(`${urls[1]}/users/test/balance`)).body, { userId: 'test', balance: 107 });
    const { rows } = await sql.query('SELECT entry FROM billing_ledger WHERE order_id = $1', [many.id]);
    assert.deepEqual(
      rows.map(({ entry }) => entry),
      ['payment:p-7'],
    );
  });
}
