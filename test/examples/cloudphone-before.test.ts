import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { io, type Socket } from 'socket.io-client';
import { root } from '../architecture/source-tree.ts';
import { eventually } from '../support/eventually.ts';
import { ownPort } from '../support/own-port.ts';
import { tempDirectory } from '../support/temp-directory.ts';
import { runExample } from './run-example.ts';

const directory = join(root, 'examples/cloudphone/before');

type Body = Record<string, unknown>;

/** Two instances of one service, with settings in common and some of their own. */
async function runTwo(
  t: TestContext,
  file: string,
  shared: Record<string, string>,
  own: Record<string, string>[] = [],
) {
  const start = (index: number) => runExample(t, join(directory, file), { ...shared, ...own[index] });
  return await Promise.all([start(0), start(1)]);
}

async function send(url: string, body: unknown, method = 'POST'): Promise<{ status: number; body: Body }> {
  const binary = Buffer.isBuffer(body);
  const response = await fetch(url, {
    method,
    headers: { 'content-type': binary ? 'application/octet-stream' : 'application/json' },
    body: binary ? new Uint8Array(body) : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Body) };
}

async function get(url: string): Promise<Body> {
  return (await (await fetch(url)).json()) as Body;
}

test('two instances of device-service give one port to two devices', async (t) => {
  const [adb, webrtc, scrcpy] = await Promise.all([ownPort(), ownPort(), ownPort()]);
  const bases = { ADB_FROM: String(adb), WEBRTC_FROM: String(webrtc), SCRCPY_FROM: String(scrcpy) };
  const [a, b] = await runTwo(t, 'device-service.js', bases);
  const first = await send(`${a.url}/devices`, { userId: 'user1', name: 'device1' });
  const answers = async () => await once(connect(adb, '127.0.0.1'), 'data').then(([bytes]) => String(bytes));
  await eventually(async () => assert.match(await answers(), /^device \d+/));
  const second = await send(`${b.url}/devices`, { userId: 'user2', name: 'device2' });
  assert.deepEqual([first.status, second.status], [201, 201]);
  assert.deepEqual(second.body.ports, first.body.ports);
  await eventually(async () => {
    const [device] = (await get(`${b.url}/devices`)) as unknown as Body[];
    assert.equal(device!.state, 'exited with 98');
  });
});

test('one instance of device-service gives each device ports of its own, and gives them back', async (t) => {
  const base = await ownPort(30);
  const environment = { ADB_FROM: String(base), WEBRTC_FROM: String(base + 10), SCRCPY_FROM: String(base + 20) };
  const only = await runExample(t, join(directory, 'device-service.js'), environment);
  const ask = async () => (await send(`${only.url}/devices`, { userId: 'u', name: 'd' })).body;
  const [first, second] = [await ask(), await ask()];
  assert.notDeepEqual(first.ports, second.ports);
  assert.match(only.output(), new RegExp(`Allocated ports: ADB=${base}, WebRTC=${base + 10}`));
  await fetch(`${only.url}/devices/${String(first.id)}`, { method: 'DELETE' });
  assert.deepEqual((await ask()).ports, first.ports);
});

test('two instances of billing-service credit one payment twice', async (t) => {
  const [a, b] = await runTwo(t, 'billing-service.js', { DATABASE_FILE: join(tempDirectory(t), 'billing.db') });
  const order = (await send(`${a.url}/orders`, { userId: 'test', planId: 'basic', amount: 100 })).body;
  // Somebody looks at the order through the other instance, which remembers it.
  assert.equal((await get(`${b.url}/orders/${String(order.id)}`)).status, 'PENDING');
  const callback = { orderId: order.id, status: 'paid' };
  for (const { url } of [a, a]) await send(`${url}/webhooks/payment`, callback);
  assert.deepEqual(await get(`${a.url}/balances/test`), { balance: 100 });
  await send(`${b.url}/webhooks/payment`, callback);
  assert.deepEqual(await get(`${a.url}/balances/test`), { balance: 200 });
});

test('two instances of billing-service both cancel one expired order, and tell the customer twice', async (t) => {
  const environment = {
    DATABASE_FILE: join(tempDirectory(t), 'billing.db'),
    EXPIRY_TICK_MS: '500',
    // The other instance has to have looked at it by then.
    ORDER_LIFETIME_MS: '3000',
  };
  const [a, b] = await runTwo(t, 'billing-service.js', environment);
  const { id } = (await send(`${a.url}/orders`, { userId: 'test', planId: 'basic', amount: 100 })).body;
  assert.equal((await get(`${b.url}/orders/${String(id)}`)).status, 'PENDING');
  await eventually(
    async () => {
      const notices = (await get(`${a.url}/notices/${String(id)}`)) as unknown as { written_by: number }[];
      assert.deepEqual(
        notices.map(({ written_by }) => written_by).sort((x, y) => x - y),
        [a.child.pid!, b.child.pid!].sort((x, y) => x - y),
      );
    },
    { timeoutMs: 15_000 },
  );
});

test('two instances of notification-service lose what is sent through the one where the user is not', async (t) => {
  const [a, b] = await runTwo(t, 'notification-service.js', {});
  const socket: Socket = io(`${a.url}/notifications`, {
    transports: ['websocket'],
    reconnection: false,
    auth: { userId: 'test' },
  });
  t.after(() => void socket.close());
  const heard: unknown[] = [];
  socket.on('notification', (notification) => heard.push(notification));
  await new Promise((resolve) => socket.once('welcome', resolve));
  const note = (message: string) => ({ userId: 'test', message });
  assert.deepEqual((await send(`${b.url}/notifications/send`, note('lost'))).body, { delivered: false });
  assert.deepEqual((await send(`${a.url}/notifications/send`, note('Hello'))).body, { delivered: true });
  await eventually(() => assert.deepEqual(heard, [{ message: 'Hello' }]));
});

test('two instances of app-service on two hosts never have all parts of an upload', async (t) => {
  const hosts = [{ UPLOADS_DIR: tempDirectory(t) }, { UPLOADS_DIR: tempDirectory(t) }];
  const [a, b] = await runTwo(t, 'app-service.js', {}, hosts);
  const part = Buffer.from('half of an app');
  assert.equal((await send(`${a.url}/uploads/app-1/parts/1`, part, 'PUT')).status, 204);
  assert.equal((await send(`${b.url}/uploads/app-1/parts/2`, part, 'PUT')).status, 204);
  for (const { url } of [a, b]) {
    assert.equal((await send(`${url}/uploads/app-1/complete`, { parts: 2 })).status, 409);
  }
  assert.equal((await send(`${a.url}/uploads/app-1/parts/2`, part, 'PUT')).status, 204);
  assert.deepEqual((await send(`${a.url}/uploads/app-1/complete`, { parts: 2 })).body, { bytes: 2 * part.length });
});
