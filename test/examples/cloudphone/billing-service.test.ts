import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { signPayment } from '../../../examples/cloudphone/billing-service/payment-signature.ts';
import { openLifetime } from '../../faults/lib/open-lifetime.ts';
import { assertBooksBalance } from './billing-books.ts';
import { type BillingGround, dialects, openBillingGround } from './billing-ground.ts';
import { ask, payByForm, placeOrder, post } from './billing-requests.ts';

for (const { dialect, skip } of dialects) {
  describe(`billing-service on ${dialect}`, { skip }, () => {
    const lifetime = openLifetime();
    let ground: BillingGround;
    let urls: readonly [string, string, string];

    before(async () => {
      ground = await openBillingGround(lifetime, dialect);
      // All at once, so that they make the tables at once, too.
      const [a, b, c] = await Promise.all(['host-1', 'host-2', 'host-3'].map((host) => ground.bill(host)));
      urls = [a!.url, b!.url, c!.url];
    });
    after(async () => await lifetime.end());

    const entriesOf = async (orderId: string) => {
      const text = 'SELECT entry, to_account FROM billing_ledger WHERE order_id = $1 ORDER BY entry';
      return (await ground.look(text, [orderId])).map(({ entry, to_account }) => `${entry} to ${to_account}`);
    };

    test('an order that is paid twice by a form is paid once, and both get the same bytes', async () => {
      const order = await placeOrder(urls[0], { userId: 'test', planId: 'basic', amount: 100 });
      assert.equal(order.status, 'PENDING');
      const first = await payByForm(urls[1], `orderId=${order.id}&status=paid`);
      const second = await payByForm(urls[2], `orderId=${order.id}&status=paid`);
      assert.deepEqual([first.status, second.status, second.text], [200, 200, first.text]);
      assert.equal(second.headers.get('drover-replayed'), 'true');
      const { body } = await ask(`${urls[0]}/orders/${order.id}`);
      assert.equal(body.status, 'PAID');
      assert.deepEqual((await ask(`${urls[1]}/users/test/balance`)).body, { userId: 'test', balance: 100 });
      assert.equal((await ask(`${urls[2]}/health`)).body.dialect, dialect);
    });

    test('a payment that is told a hundred times at once to three instances is booked once', async () => {
      const { id } = await placeOrder(urls[0], { userId: 'many' });
      const form = `orderId=${id}&status=paid&paymentId=p-100&eventId=e-100`;
      const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => payByForm(urls[n % 3]!, form)));
      assert.deepEqual(
        [...new Set(answers.map(({ status, text }) => `${status} ${text}`))],
        [`200 {"orderId":"${id}","status":"PAID","payment":"booked"}`],
      );
      assert.equal(answers.filter(({ headers }) => !headers.has('drover-replayed')).length, 1);
      assert.deepEqual(await entriesOf(id), ['payment:p-100 to user:many']);
    });

    test('a payment that a hundred different events tell of is booked once', async () => {
      const { id } = await placeOrder(urls[0], { userId: 'events' });
      const events = Array.from({ length: 100 }, (_, n) => ({ eventId: `e-${id}-${n}`, orderId: id, status: 'paid' }));
      const answers = await Promise.all(events.map((event, n) => post(`${urls[n % 3]}/webhooks/payment`, event)));
      assert.deepEqual(answers.map(({ body }) => body.payment).sort(), ['booked', ...Array(99).fill('known')]);
      assert.deepEqual(await entriesOf(id), [`payment:of-${id} to user:events`]);
    });

    test('a payment that is told again in other words is known, also where its events have no id', async () => {
      const { id } = await placeOrder(urls[0], { userId: 'words' });
      const told = { orderId: id, status: 'paid' };
      assert.equal((await post(`${urls[0]}/webhooks/payment`, { ...told, try: 1 })).body.payment, 'booked');
      const again = await post(`${urls[1]}/webhooks/payment`, { ...told, try: 2 });
      assert.deepEqual([again.status, again.body.payment], [200, 'known']);
      assert.deepEqual(await entriesOf(id), [`payment:of-${id} to user:words`]);
    });

    test('money for an order that is cancelled, or paid already, is kept to be refunded', async () => {
      const cancelled = await placeOrder(urls[0], { userId: 'late' });
      assert.equal((await post(`${urls[0]}/orders/${cancelled.id}/cancel`, {})).body.status, 'CANCELLED');
      const late = await post(`${urls[1]}/webhooks/payment`, {
        orderId: cancelled.id,
        status: 'paid',
        paymentId: 'l-1',
      });
      assert.deepEqual(late.body, { orderId: cancelled.id, status: 'CANCELLED', payment: 'refund-due' });
      assert.deepEqual(await entriesOf(cancelled.id), ['payment:l-1 to refunds-due']);

      const paid = await placeOrder(urls[0], { userId: 'late', amount: 30 });
      for (const paymentId of ['l-2', 'l-3']) {
        await post(`${urls[2]}/webhooks/payment`, { orderId: paid.id, status: 'paid', paymentId });
      }
      assert.deepEqual(await entriesOf(paid.id), ['payment:l-2 to user:late', 'payment:l-3 to refunds-due']);
      assert.equal((await ask(`${urls[0]}/users/late/balance`)).body.balance, 30);
      const due = (await ask(`${urls[0]}/refunds-due`)).body as { entry: string }[];
      assert.deepEqual(
        due.map(({ entry }) => entry).filter((entry) => entry.startsWith('payment:l-')),
        ['payment:l-1', 'payment:l-3'],
      );
    });

    test('a payment pays one order only', async () => {
      const [one, other] = [await placeOrder(urls[0], { userId: 'one' }), await placeOrder(urls[0], { userId: 'one' })];
      const event = { status: 'paid', paymentId: 'shared' };
      assert.equal((await post(`${urls[0]}/webhooks/payment`, { ...event, orderId: one.id })).status, 200);
      const refused = await post(`${urls[1]}/webhooks/payment`, { ...event, orderId: other.id });
      assert.deepEqual([refused.status, refused.body.error], [409, 'PAYMENT_OF_ANOTHER_ORDER']);
      assert.equal((await ask(`${urls[2]}/orders/${other.id}`)).body.status, 'PENDING');
    });

    test('a refund takes the amount from the balance once, and the order says how it came to be', async () => {
      const { id } = await placeOrder(urls[0], { userId: 'refunded', amount: 50 });
      await payByForm(urls[0], `orderId=${id}&status=paid`);
      const refunds = await Promise.all(urls.map((url) => post(`${url}/orders/${id}/refund`, {})));
      assert.deepEqual(refunds.map(({ status }) => status).sort(), [200, 409, 409]);
      const { body } = await ask(`${urls[1]}/orders/${id}`);
      assert.deepEqual(
        body.changes.map(({ status, by }: { status: string; by: string }) => `${status} by ${by}`),
        [`PAID by payment:of-${id}`, 'REFUNDED by request'],
      );
      assert.equal((await ask(`${urls[2]}/users/refunded/balance`)).body.balance, 0);
      const entries = (await ask(`${urls[0]}/users/refunded/ledger`)).body as { amount: number }[];
      assert.deepEqual(entries.map(({ amount }) => amount).sort(), [-50, 50]);
    });

    test('a change that there is no way for is refused with what is allowed', async () => {
      const { id } = await placeOrder(urls[0]);
      const refund = await post(`${urls[0]}/orders/${id}/refund`, {});
      assert.equal(refund.status, 409);
      assert.deepEqual(refund.body, {
        error: 'TRANSITION_REFUSED',
        message: `Order ${id} is PENDING and cannot become REFUNDED; it may become PAID or CANCELLED or EXPIRED.`,
        ...{ from: 'PENDING', to: 'REFUNDED', allowed: ['PAID', 'CANCELLED', 'EXPIRED'] },
      });
      await post(`${urls[0]}/orders/${id}/cancel`, {});
      const again = await post(`${urls[1]}/orders/${id}/cancel`, {});
      assert.deepEqual([again.status, again.body.allowed], [409, []]);
    });

    test('payment and cancellation that race leave one winner and books that balance', async () => {
      const outcomes = new Set<string>();
      const race = async (n: number) => {
        const { id } = await placeOrder(urls[n % 3]!, { userId: 'racer', amount: n + 1 });
        const pay = () => payByForm(urls[(n + 1) % 3]!, `orderId=${id}&status=paid`);
        const cancel = () => post(`${urls[(n + 2) % 3]}/orders/${id}/cancel`, {});
        const [first, second] = n % 2 === 0 ? [pay, cancel] : [cancel, pay];
        await Promise.all([first(), second()]);
        const { status } = (await ask(`${urls[0]}/orders/${id}`)).body;
        outcomes.add(status);
        const account = status === 'PAID' ? 'user:racer' : 'refunds-due';
        assert.deepEqual(await entriesOf(id), [`payment:of-${id} to ${account}`]);
      };
      await Promise.all(Array.from({ length: 40 }, (_, n) => race(n)));
      assert.deepEqual([...outcomes].sort(), ['CANCELLED', 'PAID']);
      await assertBooksBalance(ground, urls[0]);
    });

    test('what does not fit is refused with its name, the reason, and what is allowed', async () => {
      const wrong = await post(`${urls[0]}/orders`, { userId: 'test', amount: 1.5 });
      assert.deepEqual([wrong.status, wrong.body.error], [400, 'INPUT_INVALID']);
      assert.deepEqual(
        wrong.body.issues.map(({ field, reason }: { field: string; reason: string }) => `${field} ${reason}`),
        ['planId is missing', 'amount is not allowed'],
      );
      assert.match(wrong.body.message, /amount is not allowed; allowed is an integer from 1 to 1000000000000/);
      const noOrder = { orderId: 'no-such-order', status: 'paid' };
      const cases: [Promise<{ status: number; text: string }>, number, RegExp][] = [
        [post(`${urls[0]}/webhooks/payment`, noOrder), 404, /ORDER_NOT_FOUND/],
        [post(`${urls[0]}/webhooks/payment`, { orderId: 'a', status: 'PAID' }), 400, /status.*paid or failed/],
        [payByForm(urls[0], 'status=paid'), 400, /orderId is missing/],
        [post(`${urls[0]}/webhooks/payment`, noOrder, { 'content-type': 'text/xml' }), 415, /form-urlencoded/],
        [payByForm(urls[0], 'nothing', { 'content-type': 'application/json' }), 400, /no JSON/],
        [ask(`${urls[0]}/orders/no-such-order`), 404, /ORDER_NOT_FOUND/],
        [ask(`${urls[0]}/orders/%00`), 400, /id is not allowed/],
        [ask(`${urls[0]}/orders?userId=test&limit=0`), 400, /limit.*1 to 1000/],
        [ask(`${urls[0]}/orders`), 400, /userId is missing/],
        [ask(`${urls[0]}/nothing`), 404, /GET \/nothing/],
      ];
      for (const [answer, status, text] of cases) {
        assert.equal((await answer).status, status, (await answer).text);
        assert.match((await answer).text, text);
      }
    });

    test('a user sees and changes only the orders of that user, the newest first', async () => {
      const ids = [];
      for (let n = 0; n < 3; n++) ids.unshift((await placeOrder(urls[0], { userId: 'ann' })).id);
      const ann = { headers: { 'x-user-id': 'ann' } };
      const list = (await ask(`${urls[1]}/orders`, ann)).body as { id: string }[];
      assert.deepEqual(list.map(({ id }) => id).sort(), [...ids].sort());
      const bob = { 'x-user-id': 'bob' };
      assert.equal((await ask(`${urls[1]}/orders?userId=ann`, { headers: bob })).status, 403);
      assert.equal((await ask(`${urls[1]}/orders/${ids[0]}`, { headers: bob })).status, 404);
      assert.equal((await post(`${urls[1]}/orders/${ids[0]}/cancel`, {}, bob)).status, 404);
      assert.equal((await post(`${urls[1]}/orders`, { userId: 'ann', planId: 'p', amount: 1 }, bob)).status, 403);
      for (const path of ['users/ann/balance', 'users/ann/ledger', 'refunds-due']) {
        assert.equal((await ask(`${urls[1]}/${path}`, { headers: bob })).status, 403);
      }
    });

    test('a payment that failed leaves the order to be paid', async () => {
      const { id } = await placeOrder(urls[0]);
      const failed = await payByForm(urls[1], `orderId=${id}&status=failed`);
      assert.deepEqual(failed.body, { orderId: id, status: 'PENDING', payment: 'failed' });
      assert.equal((await payByForm(urls[2], `orderId=${id}&status=paid`)).body.status, 'PAID');
    });
  });
}

describe('payments in production', () => {
  const lifetime = openLifetime();
  const secret = 'a secret of the test';
  let ground: BillingGround;
  let url: string;

  before(async () => {
    ground = await openBillingGround(lifetime, 'sqlite');
    ({ url } = await ground.bill('host-1', { AUTH: 'required', PAYMENT_SECRET: secret }));
  });
  after(async () => await lifetime.end());

  test('are taken only when they are signed, over the exact bytes', async () => {
    const order = { userId: 'ann', planId: 'basic', amount: 5 };
    const { id } = (await post(`${url}/orders`, order, { 'x-user-id': 'ann' })).body;
    const form = `orderId=${id}&status=paid`;
    const right = signPayment(secret, Buffer.from(form));
    const wrong = [
      {},
      ...['', 'sha256=', right.slice(0, -1), right.toUpperCase(), signPayment('other', Buffer.from(form))],
    ];
    for (const signature of wrong) {
      const headers = typeof signature === 'string' ? { 'x-payment-signature': signature } : {};
      const { status, body } = await payByForm(url, form, headers);
      assert.deepEqual([status, body.error, body.field], [401, 'SIGNATURE_WRONG', 'X-Payment-Signature']);
    }
    assert.equal((await payByForm(url, `${form}&x=1`, { 'x-payment-signature': right })).status, 401);
    assert.equal((await payByForm(url, form, { 'x-payment-signature': right })).status, 200);
  });

  test('are no request of a user, and all other requests are', async () => {
    for (const answer of [
      post(`${url}/orders`, { userId: 'ann', planId: 'p', amount: 1 }),
      ask(`${url}/orders?userId=ann`),
    ]) {
      assert.deepEqual([(await answer).status, (await answer).body.error], [401, 'USER_REQUIRED']);
    }
  });

  test('cannot be told without a secret: the service says so and does not start', () => {
    const main = join(ground.directory, 'billing-service/main.ts');
    const { status, stderr } = spawnSync(process.execPath, [main], {
      env: { PATH: process.env.PATH, NODE_ENV: 'production', DATABASE_URL: 'sqlite:/nowhere/billing.db' },
      encoding: 'utf8',
    });
    assert.equal(status, 1);
    assert.match(stderr, /Set PAYMENT_SECRET/);
  });
});

test('in development a payment needs no signature, but a wrong one is refused', async (t) => {
  const ground = await openBillingGround(t, 'sqlite');
  const { url } = await ground.bill('host-1');
  const { id } = await placeOrder(url);
  const form = `orderId=${id}&status=paid`;
  const headers = { 'x-payment-signature': signPayment('', Buffer.from(form)) };
  assert.equal((await payByForm(url, form, headers)).status, 401);
  assert.equal((await payByForm(url, form)).status, 200);
});
