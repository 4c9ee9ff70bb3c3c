import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildTestApp, type TestApp } from './build-test-app.ts';

const participant = 'python-service-0123456789';
const host = '/v1/ports/hosts/web-1';
const allocate = (app: TestApp, requestId: string, count: object, more: object = {}) =>
  app.asService('POST', `${host}/allocations`, { participant, identity: 'py/1', requestId, count, ...more });

async function declare(app: TestApp): Promise<void> {
  const pools = { adb: { from: 5555, to: 5557 }, webrtc: { from: 8080, to: 8081 } };
  const { json } = await app.asService('PUT', `${host}/pools`, { participant, pools });
  assert.partialDeepStrictEqual(json, [
    { pool: 'adb', size: 3, free: 3 },
    { pool: 'webrtc', size: 2, free: 2 },
  ]);
}

test('ports of two pools are taken together, shown, and rest after they were given back', async (t) => {
  const app = await buildTestApp(t);
  await declare(app);
  const first = await allocate(app, 'device-0001', { adb: 1, webrtc: 1 }, { owner: 'device-1' });
  assert.equal(first.status, 201);
  const { token, ports } = first.json as { token: number; ports: { adb: number[]; webrtc: number[] } };
  const again = await allocate(app, 'device-0001', { adb: 1, webrtc: 1 }, { owner: 'device-1' });
  assert.deepEqual(again.json, first.json, 'the same request has the same ports');
  const second = await allocate(app, 'device-0002', { adb: 1 });
  assert.notDeepEqual((second.json as { ports: object }).ports, ports);

  const exhausted = await allocate(app, 'device-0003', { adb: 1, webrtc: 2 });
  assert.partialDeepStrictEqual(exhausted.json, { status: 409, code: 'PORTS_EXHAUSTED' });
  const { json: list } = await app.asService('GET', '/v1/ports?host=web-1&pool=webrtc');
  const held = { port: ports.webrtc[0], state: 'leased', owner: 'device-1', identity: 'py/1' };
  assert.partialDeepStrictEqual(list, [{ ...held, allocationId: 'device-0001' }]);

  const release = () => app.asService('DELETE', `${host}/allocations/device-0001?token=${token}`);
  assert.equal((await release()).status, 204);
  assert.partialDeepStrictEqual((await release()).json, { status: 404, code: 'ALLOCATION_NOT_FOUND' });
  const { json: usage } = await app.asService('GET', '/v1/ports/pools');
  assert.partialDeepStrictEqual(usage, [
    { host: 'web-1', pool: 'adb', leased: 1, quarantined: 1, free: 1 },
    { host: 'web-1', pool: 'webrtc', leased: 0, quarantined: 1, free: 1 },
  ]);
});

test('a port that a stranger listens on is replaced, and left alone', async (t) => {
  const app = await buildTestApp(t);
  await declare(app);
  const { json } = await allocate(app, 'device-0001', { adb: 1 });
  const { token, ports } = json as { token: number; ports: { adb: number[] } };
  const replaced = await app.asService('POST', `${host}/allocations/device-0001/replace`, { token, foreign: ports });
  assert.equal(replaced.status, 200);
  assert.notDeepEqual((replaced.json as { ports: object }).ports, ports);
  const { json: usage } = await app.asService('GET', '/v1/ports/pools?host=web-1');
  assert.partialDeepStrictEqual(usage, [{ pool: 'adb', leased: 1, foreign: 1, free: 1 }, { pool: 'webrtc' }]);
});

test('a participant that is not known is told to declare its pools, and ranges must not overlap', async (t) => {
  const app = await buildTestApp(t);
  await declare(app);
  const stranger = { participant: 'somebody-else-0123456789' };
  const kept = await app.asService('POST', `${host}/keep`, stranger);
  assert.partialDeepStrictEqual(kept.json, { status: 409, code: 'LEASE_LOST' });
  assert.equal((await app.asService('POST', `${host}/keep`, { participant })).status, 204);
  const refused = await allocate(app, 'device-0009', { adb: 1 }, stranger);
  assert.partialDeepStrictEqual(refused.json, { code: 'LEASE_LOST' });
  const overlapping = { participant, pools: { scrcpy: { from: 5557, to: 5600 } } };
  const conflict = await app.asService('PUT', `${host}/pools`, overlapping);
  assert.partialDeepStrictEqual(conflict.json, { status: 409, code: 'POOL_CONFLICT' });
  const unknown = await allocate(app, 'device-0010', { vnc: 1 });
  assert.partialDeepStrictEqual(unknown.json, { status: 404, code: 'POOL_NOT_FOUND' });
});
