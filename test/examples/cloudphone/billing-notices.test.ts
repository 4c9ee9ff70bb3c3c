import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';

import { eventually } from '../../support/eventually.ts';
import { openBillingGround } from './billing-ground.ts';
import { ask, payByForm, placeOrder, post } from './billing-requests.ts';

interface Notice {
  readonly id: string;
  readonly userId: string;
  readonly title: string;
  readonly message: string;
}

/** In the place of notification-service: notes each try, and answers with the status that it is asked for. */
async function startReceiver(t: TestContext, answer: (notice: Notice, tries: number) => number) {
  const tries: Notice[] = [];
  const server = createServer(async (request, response) => {
    const notice = JSON.parse(await text(request)) as Notice;
    tries.push(notice);
    const count = tries.filter(({ id }) => id === notice.id).length;
    response.writeHead(answer(notice, count)).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { tries, services: { DROVER_SERVICE_URLS: `notification-service=http://127.0.0.1:${port}` } };
}

test('a user is told of each change in order, again after a failure, and with the same id each time', async (t) => {
  const told = new Set<string>();
  const { tries, services } = await startReceiver(t, ({ userId }, count) => {
    // Who cannot be told holds up nobody else: ann's notices do not get through before bob has got his.
    const isRefused = userId === 'ann' && (count < 2 || !told.has('bob'));
    if (!isRefused) told.add(userId);
    return isRefused ? 503 : 202;
  });
  const ground = await openBillingGround(t, 'sqlite');
  const a = await ground.bill('host-1', services);
  const b = await ground.bill('host-2', services);
  const order = await placeOrder(a.url, { userId: 'ann', planId: 'gold', amount: 9 });
  await payByForm(b.url, `orderId=${order.id}&status=paid`);
  await post(`${a.url}/orders/${order.id}/refund`, {});
  await eventually(() => assert.ok(tries.length > 0));
  const others = await placeOrder(a.url, { userId: 'bob' });
  await post(`${b.url}/orders/${others.id}/cancel`, {});

  await eventually(async () => assert.deepEqual(await ground.look('SELECT id FROM billing_outbox'), []), {
    timeoutMs: 30_000,
  });
  const ofAnn = tries.filter(({ userId }) => userId === 'ann').map(({ title }) => title);
  assert.deepEqual([...ofAnn].sort(), ofAnn, 'paid comes before refunded, in each try');
  assert.deepEqual([...new Set(tries.map(({ title }) => title))].sort(), [
    'Order cancelled',
    'Order paid',
    'Order refunded',
  ]);
  assert.equal(new Set(tries.map(({ id }) => id)).size, 3);
  assert.equal(tries[0]!.message, `Order ${order.id}, plan gold, amount 9`);
});

test('a notice of an instance that is killed before it could send is sent by another', async (t) => {
  let isUp = false;
  const { tries, services } = await startReceiver(t, () => (isUp ? 202 : 503));
  const ground = await openBillingGround(t, 'sqlite');
  const a = await ground.bill('host-1', services);
  const order = await placeOrder(a.url);
  await payByForm(a.url, `orderId=${order.id}&status=paid`);
  await eventually(() => assert.ok(tries.length > 0));
  a.child.kill('SIGKILL');
  isUp = true;
  await ground.bill('host-2', services);
  await eventually(async () => assert.deepEqual(await ground.look('SELECT id FROM billing_outbox'), []), {
    timeoutMs: 30_000,
  });
  assert.equal(new Set(tries.map(({ id }) => id)).size, 1);
});

test('notification-service takes what billing-service tells, once', async (t) => {
  const ground = await openBillingGround(t, 'sqlite');
  const notifications = await ground.run('notification-service', 'host-1');
  const billing = await ground.bill('host-2', {
    DROVER_SERVICE_URLS: `notification-service=${notifications.url}`,
  });
  const order = await placeOrder(billing.url, { userId: 'ann' });
  await payByForm(billing.url, `orderId=${order.id}&status=paid`);
  const recent = await eventually(async () => {
    const { body } = await ask(`${notifications.url}/notifications/ann`);
    assert.ok(body.length > 0);
    return body as Notice[];
  });
  assert.deepEqual(
    recent.map(({ userId, title }) => ({ userId, title })),
    [{ userId: 'ann', title: 'Order paid' }],
  );
  assert.deepEqual(await billing.stop(), { code: 0, signal: null });
});
