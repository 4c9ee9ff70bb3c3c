import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import type { Page } from 'playwright-core';
import { openBrowser, withoutChromium } from '../../support/chromium.ts';
import { eventually } from '../../support/eventually.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import type { RunningExample } from '../run-example.ts';
import { send } from './notification-clients.ts';
import { openGround } from './open-ground.ts';

/** Takes connections to whichever of its targets takes them, as a router does. */
async function startRouter(t: Lifetime, targets: readonly RunningExample[]) {
  const ports = targets.map(({ url }) => Number(new URL(url).port));
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket)));
    return socket;
  };
  const server = createTcpServer((client) => {
    keep(client);
    const tryNext = ([port, ...others]: readonly number[]) => {
      if (port === undefined) return client.destroy();
      const upstream = keep(connect(port, '127.0.0.1'));
      let isOpen = false;
      upstream.once('connect', () => {
        isOpen = true;
        client.pipe(upstream).pipe(client);
      });
      upstream.once('close', () => (isOpen ? client.destroy() : tryNext(others)));
      client.once('close', () => upstream.destroy());
    };
    tryNext(ports);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Ends all connections, without a word. */
    cut() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

interface Row {
  readonly id: string;
  readonly userId: string;
  readonly [field: string]: unknown;
}

/** Devices and orders as their services tell of them, without what they stand on. */
async function startLists(t: Lifetime) {
  const devices: Row[] = [];
  const orders: { id: string; userId: string; status: string; [field: string]: unknown }[] = [];
  const paid: string[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://localhost');
    const body = request.method === 'POST' ? JSON.parse(await text(request)) : {};
    const reply = (status: number, value: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    const of = <T extends { userId: string }>(all: T[]) =>
      all.filter(({ userId }) => userId === searchParams.get('userId'));
    if (request.method === 'POST' && pathname === '/devices') {
      if (body.name === 'refused') return reply(503, { error: 'NO_PORTS', message: 'The pool adb is exhausted.' });
      const ports = { adb: 5555 + devices.length, webrtc: 8080 + devices.length, scrcpy: 9000 + devices.length };
      const device = { id: `device-${devices.length}`, ...body, host: 'host-1', ports, state: 'running' };
      devices.push(device);
      return reply(201, device);
    }
    if (pathname === '/devices') return reply(200, { devices: of(devices), next: null });
    if (request.method === 'DELETE') {
      devices.splice(
        devices.findIndex(({ id }) => pathname === `/devices/${id}`),
        1,
      );
      return response.writeHead(204).end();
    }
    if (request.method === 'POST' && pathname === '/orders') {
      const order = { id: `order-${orders.length}`, ...body, status: 'PENDING' };
      orders.push(order);
      return reply(201, order);
    }
    if (pathname === '/orders') return reply(200, of(orders));
    if (pathname === '/webhooks/payment') {
      const order = orders.find(({ id }) => id === body.orderId)!;
      order.status = body.status.toUpperCase();
      paid.push(order.id);
      return reply(200, order);
    }
    return reply(404, { error: 'NOT_FOUND', message: pathname });
  };
  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, devices, orders, paid };
}

/** The gateway with the page, two instances of notification-service behind a router, and users where they have to log in. */
async function openPlatform(t: Lifetime, environment: Record<string, string> = {}) {
  const ground = await openGround(t);
  const settings = { DRAIN: '500ms', ...environment };
  // One after the other: each has a limited time to start, also on a busy machine.
  const a = await ground.run('notification-service', 'host-1', settings);
  const b = await ground.run('notification-service', 'host-2', settings, 1);
  const lists = await startLists(t);
  const router = await startRouter(t, [a, b]);
  const urls = [`notification-service=${router.url}`, `device-service=${lists.url}`, `billing-service=${lists.url}`];
  if (environment.AUTH === 'required') {
    const database = { DATABASE_URL: `sqlite:${join(tempDirectory(t), 'users.db')}` };
    urls.push(`user-service=${(await ground.run('user-service', 'host-1', database)).url}`);
  }
  const gateway = await ground.run('api-gateway', 'host-1', { DROVER_SERVICE_URLS: urls.join(','), ...environment }, 2);
  return { gateway, a, b, router, lists };
}

const shownTexts = (page: Page) => page.locator('#notification-list li > span').allTextContents();
const connectionIs = (page: Page, state: string) => page.waitForSelector(`#connection[data-state="${state}"]`);
const skip = withoutChromium;
const browser = skip === false ? await openBrowser({ after }) : undefined;
/** Where nobody has to log in; each test has a user of its own. */
const shared = skip === false ? await openPlatform({ after }) : undefined;

async function openAs(userId: string, options?: Parameters<NonNullable<typeof browser>['openPage']>[0]) {
  const { page, errors } = await browser!.openPage(options);
  const answer = await page.goto(shared!.gateway.url);
  await page.locator('#user-id').fill(userId);
  await page.locator('#user-form button').click();
  await connectionIs(page, 'connected');
  return { page, errors, answer: answer! };
}

test('the page shows devices and orders, and changes them', { skip }, async () => {
  const { lists } = shared!;
  const { page, errors, answer } = await openAs('ann', { locale: 'en-US' });
  assert.match(answer.headers()['content-security-policy']!, /default-src 'self'/);
  await page.waitForSelector('#instance[data-instance="instance-2"][data-host="host-1"][data-revision="1"]');

  // Markup in a name is a name.
  const name = '<img src=x onerror="document.title=1">';
  await page.getByLabel('Name of the device').fill(name);
  await page.getByRole('button', { name: 'Create' }).click();
  const row = page.locator('tr[data-device-id="device-0"]');
  assert.equal(await row.locator('[data-field="name"]').textContent(), name);
  assert.deepEqual(await row.locator('td').allTextContents(), [
    name,
    'host-1',
    '5555',
    '8080',
    '9000',
    'running',
    'Delete',
  ]);
  await row.locator('button[data-action="delete"]').click();
  await row.waitFor({ state: 'detached' });
  assert.deepEqual(lists.devices, []);

  await page.getByLabel('Name of the device').fill('refused');
  await page.getByRole('button', { name: 'Create' }).click();
  await eventually(async () => assert.equal(await page.getByRole('alert').textContent(), 'The pool adb is exhausted.'));

  await page.getByLabel('Plan').selectOption('pro');
  await page.getByRole('button', { name: 'Order', exact: true }).click();
  const order = page.locator('tr[data-order-id="order-0"]');
  await order.locator('[data-field="status"][data-value="PENDING"]').waitFor();
  await order.locator('button[data-action="pay"]').click();
  await order.locator('[data-field="status"][data-value="PAID"]').waitFor();
  assert.deepEqual(lists.paid, ['order-0']);
  assert.equal(lists.orders[0]!.amount, 500);
  assert.equal(await page.title(), 'Cloudphone');
  assert.deepEqual(errors, []);
});

test('the page asks to log in where a token is wanted, and shows only what is the user’s', { skip }, async (t) => {
  const { gateway, b, router } = await openPlatform(t, { AUTH: 'required' });
  const { page, errors } = await browser!.openPage({ locale: 'zh-CN' });
  await page.goto(gateway.url);
  await connectionIs(page, 'login');
  assert.equal(await page.locator('html').getAttribute('lang'), 'zh-CN');
  await page.getByLabel('用户名').fill('ann');
  await page.getByLabel('密码').fill('correct horse');
  await page.getByRole('button', { name: '注册' }).click();
  await connectionIs(page, 'connected');
  const userId = await page.locator('#user-id').inputValue();
  assert.notEqual(userId, 'test');
  assert.equal(await page.locator('#user-form').isVisible(), false);
  await send(b.url, { userId, message: 'for ann' });
  await send(b.url, { userId: 'test', message: 'for somebody else' });
  await send(b.url, { userId, message: 'for ann again' });
  await eventually(async () => assert.deepEqual(await shownTexts(page), ['for ann again', 'for ann']));
  await page.getByRole('button', { name: '退出登录' }).click();
  await connectionIs(page, 'login');
  assert.deepEqual(await shownTexts(page), []);
  assert.deepEqual(errors, []);

  // A session that is ended elsewhere is over here too: one can log in again.
  const logIn = async () => {
    await page.getByLabel('用户名').fill('ann');
    await page.getByLabel('密码').fill('correct horse');
    await page.locator('#login-form button[value="login"]').click();
    await connectionIs(page, 'connected');
  };
  await logIn();
  const { token } = JSON.parse(await page.evaluate('sessionStorage.getItem("cloudphone")'));
  const headers = { authorization: `Bearer ${token}` };
  assert.equal((await fetch(`${gateway.url}/api/users/sessions`, { method: 'DELETE', headers })).status, 204);
  router.cut();
  await connectionIs(page, 'login');
  await logIn();
  await page.locator('#logout').waitFor();
});

test('the page shows all that came while it was away, and asks for its lists a few times only', { skip }, async () => {
  const { b, router } = shared!;
  const tell = async (message: string) =>
    assert.equal((await send(b.url, { userId: 'dora', message })).status, 202, message);
  await tell('before');
  const { page } = await openAs('dora');
  await eventually(async () => assert.deepEqual(await shownTexts(page), ['before']));
  await page.context().setOffline(true);
  router.cut();
  await connectionIs(page, 'away');
  for (let index = 0; index < 130; index++) await tell(`while away ${index}`);
  let asked = 0;
  page.on('request', (request) => {
    if (request.url().includes('/api/devices')) asked += 1;
  });
  await page.context().setOffline(false);
  const sent = Array.from({ length: 130 }, (_, index) => `while away ${129 - index}`);
  await eventually(async () => assert.deepEqual(await shownTexts(page), [...sent, 'before']), { timeoutMs: 20_000 });
  assert.ok(asked < 30, `${asked} times`);
});

test('the page shows no list of somebody who was shown before', { skip }, async () => {
  const { page } = await openAs('fay');
  const held = Promise.withResolvers<void>();
  const isAsked = page.waitForRequest('**/api/devices?userId=fay');
  await page.route('**/api/devices?userId=fay', async (route) => {
    await held.promise;
    const device = { id: 'of-fay', name: 'phone', host: 'host-1', ports: null, state: 'running' };
    await route.fulfill({ json: { devices: [device], next: null } });
  });
  await page.evaluate(`new MutationObserver(() => {
    if (document.querySelector('[data-device-id="of-fay"]')) document.documentElement.dataset.seen = 'fay';
  }).observe(document.body, { childList: true, subtree: true })`);
  await isAsked;
  await page.locator('#user-id').fill('gil');
  await page.locator('#user-form button').click();
  await page.waitForResponse('**/api/devices?userId=gil');
  const late = page.waitForResponse('**/api/devices?userId=fay');
  held.resolve();
  await late;
  await page.waitForResponse('**/api/devices?userId=gil');
  assert.equal(await page.locator('html').getAttribute('data-seen'), null);
});

test('a token that is renewed while its user logs out does not come back', { skip }, async () => {
  const { page } = await openAs('hal');
  const held = Promise.withResolvers<void>();
  const expiresAt = new Date().toISOString();
  await page.route('**/api/notifications/**', (route) => route.fulfill({ json: [] }));
  await page.route('**/api/devices*', (route) => route.fulfill({ json: { devices: [] } }));
  await page.route('**/api/billing/**', (route) => route.fulfill({ json: [] }));
  await page.route('**/api/users/logout', (route) => route.fulfill({ status: 204 }));
  await page.route('**/api/users/token', async (route) => {
    await held.promise;
    await route.fulfill({ json: { token: 'renewed', expiresAt, userId: 'hal' } });
  });
  const session = JSON.stringify({ token: 'first', expiresAt, userId: 'hal' });
  await page.evaluate(`sessionStorage.setItem('cloudphone', ${JSON.stringify(session)})`);
  const isRenewing = page.waitForRequest('**/api/users/token');
  await page.reload();
  await isRenewing;
  await page.locator('#logout').click();
  await page.locator('#user-form').waitFor();
  const late = page.waitForResponse('**/api/users/token');
  held.resolve();
  await late;
  await page.waitForResponse('**/api/devices?userId=*');
  assert.deepEqual(JSON.parse(await page.evaluate('sessionStorage.getItem("cloudphone")')), { userId: 'test' });
});

test('every text of the page is there in Chinese', { skip }, async () => {
  const { page } = await openAs('carl', { locale: 'zh-CN' });
  const texts = await page.locator('[data-text]').allTextContents();
  assert.ok(texts.length > 20);
  for (const one of texts) assert.match(one, /\p{Script=Han}/u);
});

test('the page shows each notification once, over deploys, cuts and reloads', { skip }, async () => {
  const { a, b, router } = shared!;
  const sent: string[] = [];
  const tell = async (message: string, through = b) => {
    assert.equal((await send(through.url, { userId: 'bob', message, title: 'News' })).status, 202);
    sent.unshift(message);
  };

  await tell('before anybody looks');
  const { page, errors } = await openAs('bob');
  const allShown = () => eventually(async () => assert.deepEqual(await shownTexts(page), sent), { timeoutMs: 15_000 });
  await allShown();
  await tell('through one', a);
  await tell('through the other', b);
  await allShown();

  router.cut();
  await tell('while it was cut');
  await connectionIs(page, 'connected');
  await allShown();

  // The page is connected to the first instance, which is replaced.
  const stopped = a.stop();
  for (let index = 0; index < 30; index++) await tell(`in the deploy ${index}`);
  assert.deepEqual(await stopped, { code: 0, signal: null });
  await allShown();
  await connectionIs(page, 'connected');
  await tell('after the deploy');
  await allShown();

  await page.reload();
  await connectionIs(page, 'connected');
  await allShown();
  assert.deepEqual(errors, []);
});
