import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { readProcessIdentity } from '../../../agent/process/process-identity.ts';
import { findProcessTree } from '../../../agent/process/process-tree.ts';
import { ask, create, type DeviceView, find, list, openDevices, send, soon } from './open-devices.ts';

const from = 31_600;

const kill = (pid: number) => process.kill(pid, 'SIGKILL');

test('a rolling deploy leaves each phone alone: same process, same ports', async (t) => {
  const devices = await openDevices(t, { from });
  let [a, b] = await devices.runAll(['host-1', 'host-1']);
  const made = await Promise.all([a, b, a, b, a, b].map((at, n) => create(at, `phone-${n}`)));
  const before = devices.phones();
  assert.equal(before.size, 6);

  const olds = [a, b];
  a = await devices.run('host-1', 2);
  assert.deepEqual(await olds[0]!.stop(), { code: 0, signal: null });
  b = await devices.run('host-1', 3);
  assert.deepEqual(await olds[1]!.stop(), { code: 0, signal: null });
  // All of them belong to somebody again.
  await soon(() => {
    for (const { id } of made) assert.match(a.output() + b.output(), new RegExp(`${id} .*taken over`));
  });
  await soon(async () => {
    const { body } = await send('GET', `${a.url}/ports`);
    const { pools } = (body.hosts as { pools: { leased: number; orphaned: number }[] }[])[0]!;
    assert.deepEqual(
      pools.map(({ leased, orphaned }) => [leased, orphaned]),
      [
        [6, 0],
        [6, 0],
        [6, 0],
      ],
    );
  });
  assert.deepEqual(devices.phones(), before);
  for (const device of made) {
    assert.deepEqual(await find(b, device.id), device);
    assert.equal((await ask(device)).length, 3);
  }
  // And whoever has them now does look after them.
  kill(before.get(made[0]!.id)!);
  await soon(async () => assert.match((await ask(made[0]!)).join(), new RegExp(made[0]!.id)));
});

test('a phone that ends is started again on its ports, and given up when it ends again and again', async (t) => {
  const devices = await openDevices(t, { from, DEVICE_MAX_RESTARTS: '2' });
  const service = await devices.run('host-1');
  const device = await create(service, 'phone');
  for (let restarts = 1; restarts <= 2; restarts++) {
    kill(devices.phones().get(device.id)!);
    await soon(async () => assert.equal((await find(service, device.id)).restarts, restarts));
    await soon(async () => assert.equal((await ask(device)).length, 3));
  }
  kill(devices.phones().get(device.id)!);
  await soon(async () => {
    const { state, reason, ports } = await find(service, device.id);
    assert.deepEqual({ state, reason, ports }, { state: 'failed', reason: 'it ended 3 times', ports: null });
  });
  assert.equal(devices.phones().size, 0);
  await soon(async () => {
    const { body } = await send('GET', `${service.url}/ports`);
    const { pools } = (body.hosts as { pools: { free: number }[] }[])[0]!;
    assert.deepEqual(
      pools.map(({ free }) => free),
      [100, 100, 100],
    );
  });
  assert.equal((await send('DELETE', `${service.url}/devices/${device.id}`)).status, 204);
});

test('a phone that does not answer any more is ended, and started again', async (t) => {
  const devices = await openDevices(t, { from, DEVICE_ORPHAN_MS: '8000' });
  const service = await devices.run('host-1');
  const device = await create(service, 'phone');
  const frozen = devices.phones().get(device.id)!;
  process.kill(frozen, 'SIGSTOP');
  await soon(async () => assert.equal((await find(service, device.id)).restarts, 1));
  await soon(async () => assert.equal((await ask(device)).length, 3));
  assert.notEqual(devices.phones().get(device.id), frozen);
});

test('a phone ends by itself when no instance of its host looks after it, and is started again when one does', async (t) => {
  const devices = await openDevices(t, { from, DEVICE_ORPHAN_MS: '2000' });
  const first = await devices.run('host-1');
  const device = await create(first, 'phone');
  const pid = devices.phones().get(device.id);
  first.child.kill('SIGKILL');
  await soon(() => devices.phones().size === 0);
  await devices.run('host-1', 1);
  await soon(() => devices.phones().has(device.id));
  assert.notEqual(devices.phones().get(device.id), pid);
});

test('a phone whose row is gone is ended, whether an instance knew it or not', async (t) => {
  const devices = await openDevices(t, { from });
  const first = await devices.run('host-1');
  const [known, unknown, wanted] = [await create(first, 'a'), await create(first, 'b'), await create(first, 'c')];
  const removeRow = ({ id }: DeviceView) => {
    const database = new DatabaseSync(devices.databaseFile);
    database.exec('PRAGMA busy_timeout = 5000');
    database.prepare('DELETE FROM devices WHERE id = ?').run(id);
    database.close();
  };
  removeRow(known);
  await soon(() => assert.deepEqual([...devices.phones().keys()].sort(), [unknown.id, wanted.id].sort()));
  const exited = once(first.child, 'exit');
  first.child.kill('SIGKILL');
  await exited;
  removeRow(unknown);
  const second = await devices.run('host-1', 1);
  await soon(() => assert.deepEqual([...devices.phones().keys()], [wanted.id]));
  await soon(async () => {
    const { body } = await send('GET', `${second.url}/ports`);
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
});

test('an agent that ends an instance with all that is below it, or left by it, does not find its phones', async (t) => {
  const devices = await openDevices(t, { from });
  const marks = { DROVER_SHIM: '/run/shim.sock', DROVER_INSTANCE_ID: 'i-1', DEVICE_ENV: 'PATH,DROVER_TEST_RUN' };
  const service = await devices.run('host-1', 0, marks);
  const device = await create(service, 'phone');
  const root = readProcessIdentity(service.child.pid!);
  const markers = ['DROVER_SHIM=/run/shim.sock', 'DROVER_INSTANCE_ID=i-1'];
  const tree = findProcessTree({ root, markers }).map(({ pid }) => pid);
  assert.deepEqual(tree, [service.child.pid]);
  // Nor does the phone have what is none of its business.
  const environment = readFileSync(`/proc/${devices.phones().get(device.id)}/environ`, 'utf8');
  assert.doesNotMatch(environment, /DATABASE_URL|COORDINATION|SHIM|INSTANCE_ID/);
});

test('phones go on while Redis and instances go', async (t) => {
  const devices = await openDevices(t, { from, DEVICE_ORPHAN_MS: '6000' });
  const [a, b] = await devices.runAll(['host-1', 'host-1']);
  const made = await Promise.all([a, b].map((at, n) => create(at, `phone-${n}`)));
  const before = devices.phones();
  devices.ground.redis.pause();
  const pausedAtMs = performance.now();
  a.child.kill('SIGKILL');
  await soon(() => performance.now() - pausedAtMs > 10_000);
  const refused = await send('POST', `${b.url}/devices`, { userId: 'ann', name: 'meanwhile' });
  assert.equal(refused.status, 503);
  devices.ground.redis.resume();
  assert.deepEqual(devices.phones(), before);
  await soon(() => assert.match(b.output(), new RegExp(`${made[0]!.id} .*taken over`)));
  assert.equal((await soon(() => create(b, 'later'))).state, 'running');
  assert.deepEqual((await list(b)).map(({ name }) => name).sort(), ['later', 'phone-0', 'phone-1']);
});
