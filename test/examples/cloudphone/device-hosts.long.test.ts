import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, create, type DeviceView, find, list, openDevices, send, soon } from './open-devices.ts';

const from = 31_300;

const portsOf = ({ ports }: DeviceView) => Object.values(ports!) as number[];

test('of 60 devices created at once over four instances no two on one host share a port, and each listens', async (t) => {
  const devices = await openDevices(t, { from });
  const hosts = ['host-1', 'host-1', 'host-2', 'host-2'];
  const instances = await devices.runAll(hosts);
  const made = await Promise.all(Array.from({ length: 60 }, (_, n) => create(instances[n % 4]!, `phone-${n}`)));
  assert.deepEqual([...new Set(made.map(({ state }) => state))], ['running']);
  for (const host of ['host-1', 'host-2']) {
    const here = made.filter((device) => device.host === host);
    assert.equal(here.length, 30);
    assert.equal(new Set(here.flatMap(portsOf)).size, 90, `90 different ports on ${host}`);
  }
  for (const device of made) {
    assert.deepEqual(
      await ask(device),
      ['adb', 'webrtc', 'scrcpy'].map((name) => `device ${device.id} ${name}`),
    );
  }
});

test('a device is deleted through an instance of another host', async (t) => {
  const devices = await openDevices(t, { from });
  const [near, far] = await devices.runAll(['host-1', 'host-2']);
  const device = await create(near, 'phone');
  assert.equal(device.host, 'host-1');
  assert.equal((await send('DELETE', `${far.url}/devices/${device.id}`)).status, 204);
  assert.equal((await find(near, device.id)).state, 'gone');
  assert.deepEqual([devices.phones().size, await devices.listeners()], [0, []]);
});

test('a device whose host is being redeployed is deleted when an instance is there again', async (t) => {
  const devices = await openDevices(t, { from });
  const [near, far] = await devices.runAll(['host-1', 'host-2']);
  const device = await create(near, 'phone');
  await near.stop();
  const answer = await send('DELETE', `${far.url}/devices/${device.id}`);
  assert.deepEqual([answer.status, answer.body.state], [202, 'deleting']);
  assert.equal(devices.phones().size, 1);
  await devices.run('host-1', 1);
  await soon(async () => assert.equal((await find(far, device.id)).state, 'gone'));
  assert.equal(devices.phones().size, 0);
});

test('devices of a host without instances end by themselves, are lost, and give their ports back', async (t) => {
  const devices = await openDevices(t, { from, DEVICE_ORPHAN_MS: '2000', HOST_LOST_MS: '6000' });
  const [gone, stays] = await devices.runAll(['host-1', 'host-2']);
  const [lost, kept] = await Promise.all([create(gone, 'lost'), create(stays, 'kept')]);
  gone.child.kill('SIGKILL');
  await soon(() => assert.deepEqual([...devices.phones().keys()], [kept.id]));
  await soon(async () => assert.equal((await find(stays, lost.id)).state, 'lost'));
  assert.equal((await find(stays, lost.id)).reason, 'host host-1 is gone');
  assert.equal((await find(stays, kept.id)).state, 'running');

  const back = await devices.run('host-1', 1);
  // It is not started again: it was declared lost, and its user may have another one by now.
  const again = await create(back, 'again');
  await soon(async () => {
    const { body } = await send('GET', `${back.url}/ports`);
    const { pools } = (body.hosts as { host: string; pools: { leased: number; orphaned: number }[] }[])[0]!;
    assert.deepEqual(
      pools.map(({ leased, orphaned }) => [leased, orphaned]),
      [
        [1, 0],
        [1, 0],
        [1, 0],
      ],
    );
  });
  assert.deepEqual([...devices.phones().keys()].sort(), [kept.id, again.id].sort());
  assert.equal((await send('DELETE', `${back.url}/devices/${lost.id}`)).status, 204);
  assert.deepEqual((await list(stays)).map(({ id }) => id).sort(), [kept.id, again.id].sort());
});
