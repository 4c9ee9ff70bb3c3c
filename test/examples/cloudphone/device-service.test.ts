import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Answer, addressOf, ask, create, find, list, openDevices, send, soon } from './open-devices.ts';
import { openGround } from './open-ground.ts';

test('a device has three ports of its own, answers on each, and is gone when it is deleted', async (t) => {
  const devices = await openDevices(t, { from: 31_000, size: 20 });
  const service = await devices.run('host-1');
  const device = await create(service, 'first');
  assert.equal(device.state, 'running');
  assert.deepEqual(device.ports, { adb: 31_000, webrtc: 31_100, scrcpy: 31_200 });
  assert.match(service.output(), /^Allocated ports: ADB=31000, WebRTC=31100$/m);
  assert.deepEqual(
    await ask(device),
    ['adb', 'webrtc', 'scrcpy'].map((name) => `device ${device.id} ${name}`),
  );
  const second = await create(service, 'second');
  assert.match(service.output(), /^Allocated ports: ADB=31001, WebRTC=31101$/m);
  assert.deepEqual(
    (await list(service)).map(({ name }) => name),
    ['first', 'second'],
  );
  for (let time = 0; time < 2; time++) {
    assert.equal((await send('DELETE', `${service.url}/devices/${device.id}`)).status, 204);
  }
  assert.equal((await find(service, device.id)).state, 'gone');
  assert.deepEqual(
    (await list(service)).map(({ id }) => id),
    [second.id],
  );
  assert.deepEqual([...devices.phones().keys()], [second.id]);
  await soon(async () => {
    const { body } = await send('GET', `${service.url}/ports`);
    const [host] = body.hosts as { host: string; pools: { pool: string; free: number; leased: number }[] }[];
    assert.equal(host!.host, 'host-1');
    assert.deepEqual(
      host!.pools.map(({ pool, free, leased }) => [pool, free, leased]).sort(),
      ['adb', 'scrcpy', 'webrtc'].map((pool) => [pool, 19, 1]),
    );
  });
});

test('the same request, sent again, makes no second device', async (t) => {
  const devices = await openDevices(t, { from: 31_000, size: 20 });
  const [a, b] = await devices.runAll(['host-1', 'host-2']);
  const headers = { 'idempotency-key': 'order-7' };
  const made = await Promise.all([a, b, a, b].map((at) => create(at, 'phone', headers)));
  assert.equal(new Set(made.map(({ id }) => id)).size, 1);
  assert.deepEqual(await create(b, 'phone', headers), made[0]);
  assert.equal(devices.phones().size, 1);
  const other = await send('POST', `${a.url}/devices`, { userId: 'ann', name: 'another' }, headers);
  assert.deepEqual([other.status, other.body.error, other.body.id], [409, 'IDEMPOTENCY_KEY_REUSED', made[0]!.id]);
  const another = await send('POST', `${a.url}/devices`, { userId: 'bob', name: 'phone' }, headers);
  assert.equal(another.status, 201);
  assert.notEqual(another.body.id, made[0]!.id);
});

test('a pool without free ports is refused with its name and usage, and leaves no device behind', async (t) => {
  const devices = await openDevices(t, { from: 31_000, size: 20, SCRCPY_PORTS: '31200-31201' });
  const service = await devices.run('host-1');
  const [first] = [await create(service, 'one'), await create(service, 'two')];
  const headers = { 'idempotency-key': 'third' };
  const refused = await send('POST', `${service.url}/devices`, { userId: 'ann', name: 'three' }, headers);
  assert.equal(refused.status, 503);
  const { error, pool, host, usage } = refused.body;
  assert.deepEqual({ error, pool, host }, { error: 'NO_PORTS', pool: 'scrcpy', host: 'host-1' });
  assert.deepEqual(usage, { size: 2, leased: 2, quarantined: 0, foreign: 0, orphaned: 0 });
  assert.match(String(refused.body.message), /Pool scrcpy of host host-1 has not enough free ports of 2: 2 leased/);
  assert.equal((await list(service)).length, 2);
  await send('DELETE', `${service.url}/devices/${first!.id}`);
  // The ports of the first one rest for a while; a retry of the request is a new attempt.
  const third = await soon(() => create(service, 'three', headers));
  assert.equal(third.ports!.scrcpy, first!.ports!.scrcpy);
});

test('while Redis is away no device is made, and the answer says when to come again', async (t) => {
  const devices = await openDevices(t, { from: 31_000, size: 20 });
  const service = await devices.run('host-1');
  await devices.ground.redis.kill();
  for (const [method, path] of [
    ['POST', '/devices'],
    ['GET', '/ports'],
  ] as const) {
    const body = method === 'POST' ? { userId: 'ann', name: 'phone' } : undefined;
    const refused = await send(method, `${service.url}${path}`, body);
    assert.deepEqual([refused.status, refused.body.error], [503, 'STORE_UNREACHABLE']);
    assert.equal(refused.headers.get('retry-after'), '1');
  }
  assert.deepEqual(await list(service), []);
  assert.equal(devices.phones().size, 0);
});

test('a port on which a stranger listens is passed over', async (t) => {
  const devices = await openDevices(t, { from: 31_000, size: 20 });
  const stranger = createServer().listen(31_100, addressOf('host-1'));
  t.after(() => void stranger.close());
  await once(stranger, 'listening');
  const service = await devices.run('host-1');
  const device = await create(service, 'phone');
  assert.deepEqual(device.ports, { adb: 31_000, webrtc: 31_101, scrcpy: 31_200 });
  assert.equal((await ask(device)).length, 3);
});

const issuesOf = ({ body }: Answer) => body.issues as { field: string; reason: string; allowed: string }[];

test('a request that does not fit is refused with the field, the reason and what is allowed', async (t) => {
  const devices = await openDevices(t, { from: 31_000, size: 20 });
  const service = await devices.run('host-1');
  const refusals: [method: string, path: string, body: unknown, field: string][] = [
    ['POST', '/devices', { userId: 'ann' }, 'name'],
    ['POST', '/devices', { name: 'phone' }, 'userId'],
    ['POST', '/devices', { userId: 'ann', name: 'two\nlines' }, 'name'],
    ['POST', '/devices', { userId: 'ann', name: 'zero\0' }, 'name'],
    ['GET', '/devices?userId=%00', undefined, 'userId'],
    ['POST', '/devices', { userId: 7, name: 'phone' }, 'userId'],
    ['POST', '/devices', undefined, 'body'],
    ['GET', '/devices?limit=0', undefined, 'limit'],
    ['GET', '/devices?limit=many', undefined, 'limit'],
    ['GET', '/devices?after=x', undefined, 'after'],
  ];
  for (const [method, path, body, field] of refusals) {
    const answer = await send(method, `${service.url}${path}`, body);
    assert.deepEqual([answer.status, answer.body.error], [400, 'INPUT_INVALID'], path);
    const [issue] = issuesOf(answer);
    assert.equal(issue!.field, field, path);
    assert.ok(issue!.reason && issue!.allowed, path);
  }
  const headers = { 'idempotency-key': 'two words' };
  const keyed = await send('POST', `${service.url}/devices`, { userId: 'ann', name: 'x' }, headers);
  assert.deepEqual([keyed.status, issuesOf(keyed)[0]!.field], [400, 'idempotency-key']);
  assert.equal((await send('GET', `${service.url}/devices/none`)).status, 404);
  const nowhere = await send('GET', `${service.url}/nowhere`);
  assert.deepEqual([nowhere.status, nowhere.body.error, nowhere.body.path], [404, 'NOT_FOUND', '/nowhere']);
  assert.equal((await send('DELETE', `${service.url}/devices/none`)).status, 404);
  assert.equal(devices.phones().size, 0);
});

test('devices are listed page by page, each once', async (t) => {
  const devices = await openDevices(t, { from: 31_000, size: 20 });
  const service = await devices.run('host-1');
  const made = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => create(service, name)));
  await send('POST', `${service.url}/devices`, { userId: 'bob', name: 'f' });
  const seen: string[] = [];
  let next: unknown = '';
  while (next !== null) {
    const after = next === '' ? '' : `&after=${next}`;
    const { body } = await send('GET', `${service.url}/devices?userId=ann&limit=2${after}`);
    seen.push(...(body.devices as { id: string }[]).map(({ id }) => id));
    next = body.next;
  }
  assert.deepEqual([...seen].sort(), made.map(({ id }) => id).sort());
});

test('with AUTH=required a request acts for the user that the gateway names, and for nobody else', async (t) => {
  const devices = await openDevices(t, { from: 31_000, size: 20, AUTH: 'required' });
  const service = await devices.run('host-1');
  const [ann, bob] = [{ 'x-user-id': 'ann' }, { 'x-user-id': 'bob' }];
  const url = `${service.url}/devices`;
  assert.equal((await send('POST', url, { userId: 'ann', name: 'x' })).status, 401);
  assert.equal((await send('GET', url)).status, 401);
  assert.equal((await send('POST', url, { userId: 'ann', name: 'x' }, bob)).status, 403);
  const device = (await send('POST', url, { name: 'x' }, ann)).body;
  assert.equal(device.userId, 'ann');
  assert.equal((await send('GET', `${url}?userId=ann`, undefined, bob)).status, 403);
  assert.deepEqual((await send('GET', url, undefined, bob)).body.devices, []);
  for (const method of ['GET', 'DELETE']) {
    assert.equal((await send(method, `${url}/${device.id}`, undefined, bob)).status, 404);
  }
  assert.equal((await send('DELETE', `${url}/${device.id}`, undefined, ann)).status, 204);
});

test('with DEVICE_MAX_RESTARTS=0 a phone that ends is not started again, and PORT_REST_MS=0 frees its ports at once', async (t) => {
  const devices = await openDevices(t, { from: 31_000, size: 1, DEVICE_MAX_RESTARTS: '0', PORT_REST_MS: '0' });
  const service = await devices.run('host-1');
  const first = await create(service, 'first');
  process.kill(devices.phones().get(first.id)!, 'SIGKILL');
  await soon(async () => {
    const { state, restarts } = await find(service, first.id);
    assert.deepEqual({ state, restarts }, { state: 'failed', restarts: 0 });
  });
  assert.deepEqual((await create(service, 'second')).ports, first.ports);
});

test('a setting that is no number, or longer than a timer waits, is told by its name, and nothing is started', async (t) => {
  const { directory } = await openGround(t);
  const main = join(directory, 'device-service', 'main.ts');
  for (const [setting, text] of [
    ['PORT_REST_MS', '60s'],
    ['HOST_LOST_MS', '60s'],
    ['DEVICE_MAX_RESTARTS', '60s'],
    // 35 days: a phone that waits for so long would end at once.
    ['DEVICE_ORPHAN_MS', '3000000000'],
  ] as const) {
    const env = { PATH: process.env.PATH, [setting]: text };
    const { status, stderr } = spawnSync(process.execPath, [main], { env, cwd: directory, timeout: 20_000 });
    assert.match(stderr.toString(), new RegExp(`${setting} is "${text}"; write a whole number from`));
    assert.equal(status, 1);
  }
});
