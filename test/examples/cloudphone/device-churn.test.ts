import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunningExample } from '../run-example.ts';
import { create, type DeviceView, list, openDevices, send, soon } from './open-devices.ts';

const portsOf = ({ ports }: DeviceView) => Object.values(ports!) as number[];

test('after instances were killed in the middle of everything, what listens is what is wanted', async (t) => {
  const devices = await openDevices(t, { from: 31_900, DEVICE_CREATING_MS: '4000', size: 60 });
  const hosts = ['host-1', 'host-1', 'host-2', 'host-2'];
  const instances = await devices.runAll(hosts);
  let isOver = false;

  /** Creates and deletes through whichever instance there is; who is killed meanwhile gives no answer. */
  async function churn(seed: number): Promise<void> {
    const mine: string[] = [];
    for (let n = 0; !isOver && n < 12; n++) {
      const at = (): RunningExample => instances[(seed + n) % instances.length]!;
      try {
        mine.push((await create(at(), `phone-${seed}-${n}`, { 'idempotency-key': `${seed}-${n}` })).id);
        if (n % 3 === 2) await send('DELETE', `${at().url}/devices/${mine.shift()}`);
      } catch {
        await soon(() => instances[(seed + n) % instances.length]!.child.exitCode === null);
      }
    }
  }

  const churning = [0, 1, 2, 3].map(churn);
  for (const victim of [0, 2, 1]) {
    const made = (await list(instances[3]!)).length;
    await soon(async () => (await list(instances[3]!)).length > made);
    const dead = instances[victim]!;
    const exited = new Promise((resolve) => dead.child.once('exit', resolve));
    dead.child.kill('SIGKILL');
    await exited;
    instances[victim] = await devices.run(hosts[victim]!, victim);
  }
  await Promise.all(churning);
  isOver = true;

  const settled = async () => {
    const rows = await list(instances[3]!);
    assert.deepEqual([...new Set(rows.map(({ state }) => state))], ['running']);
    const wanted = rows.flatMap((row) => portsOf(row).map((port) => `${row.host}:${port}`)).sort();
    const listening = (await devices.listeners()).map(({ host, port }) => `${host}:${port}`).sort();
    assert.deepEqual(listening, wanted);
    assert.deepEqual([...devices.phones().keys()].sort(), rows.map(({ id }) => id).sort());
    return rows;
  };
  const rows = await soon(settled);
  assert.equal(new Set(rows.flatMap((row) => portsOf(row).map((port) => `${row.host}:${port}`))).size, rows.length * 3);
  assert.ok(rows.length > 10, `${rows.length} devices`);

  await Promise.all(rows.map(({ id }, n) => send('DELETE', `${instances[n % 4]!.url}/devices/${id}`)));
  await soon(async () => {
    assert.equal(devices.phones().size, 0);
    const { body } = await send('GET', `${instances[0]!.url}/ports`);
    for (const { pools } of body.hosts as { pools: { free: number; size: number }[] }[]) {
      for (const { free, size } of pools) assert.equal(free, size);
    }
  });
});
