import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { ask, create, find, list, openDevices, send } from './open-devices.ts';

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
  await eventually(async () => {
    const { body } = await send('GET', `${service.url}/ports`);
    const [host] = body.hosts as { host: string; pools: { pool: string; free: number; leased: number }[] }[];
    assert.equal(host!.host, 'host-1');
    assert.deepEqual(
      host!.pools.map(({ pool, free, leased }) => [pool, free, leased]).sort(),
      ['adb', 'scrcpy', 'webrtc'].map((pool) => [pool, 19, 1]),
    );
  });
});
