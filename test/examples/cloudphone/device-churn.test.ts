import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunningExample } from '../run-example.ts';
import { create, type DeviceView, list, openDevices, send, soon } from './open-devices.ts';

const portsOf = ({ ports }: DeviceView) => Object.values(ports!) as number[];

test('after instances were killed in the middle of everything, what listens is what is wanted', async (t) => {
  const devices = await openDevices(t, { from: 31_900, DEVICE_CREATING_MS: '4000', size: 60 });
  const hosts = ['host-1', 'host-1', 'host-2', 'host-2'];
  const instances = await devices.runAll(hosts);
  const wanted = new Set<string>();
  /** Through one instance after the other, until one answers. The key makes sure that it happens once. */
  async function insist<T>(first: number, act: (at: RunningExample) => Promise<T>): Promise<T> {
    let next = first;
    return (await soon(() => act(instances[next++ % instances.length]!))) as T;
  }

  async function churn(seed: number): Promise<void> {
    const mine: DeviceView[] = [];
    for (let n = 0; n < 12; n++) {
      const name = `phone-${seed}-${n}`;
      mine.push(await insist(seed + n, (at) => create(at, name, { 'idempotency-key': name })));
      wanted.add(name);
      if (n % 3 < 2) continue;
      const { id, name: unwanted } = mine.shift()!;
      await insist(seed + n, async (at) => {
        const { status } = await send('DELETE', `${at.url}/devices/${id}`);
        assert.ok(status === 204 || status === 202, `${status}`);
      });
      wanted.delete(unwanted);
    }
  }

  let isOver = false;
  const churning = Promise.all([0, 1, 2, 3].map(churn)).finally(() => {
    isOver = true;
  });
  // It is waited for at the end; until then nobody hears of its failure.
  churning.catch(() => {});
  for (const victim of [0, 2, 1]) {
    const made = (await list(instances[3]!)).length;
    // In the middle of it; where a machine is slow to start instances the last one may come too late for that.
    await soon(async () => isOver || (await list(instances[3]!)).length > made);
    assert.ok(victim !== 0 || !isOver);
    const dead = instances[victim]!;
    const exited = new Promise((resolve) => dead.child.once('exit', resolve));
    dead.child.kill('SIGKILL');
    await exited;
    instances[victim] = await devices.run(hosts[victim]!, victim);
  }
  await churning;

  const settled = async () => {
    const rows = await list(instances[3]!);
    assert.deepEqual([...new Set(rows.map(({ state }) => state))], ['running']);
    assert.deepEqual(rows.map(({ name }) => name).sort(), [...wanted].sort());
    const due = rows.flatMap((row) => portsOf(row).map((port) => `${row.host}:${port}`)).sort();
    const listening = (await devices.listeners()).map(({ host, port }) => `${host}:${port}`).sort();
    assert.deepEqual(listening, due);
    assert.deepEqual([...devices.phones().keys()].sort(), rows.map(({ id }) => id).sort());
    return rows;
  };
  const rows = await soon(settled);
  assert.equal(new Set(rows.flatMap((row) => portsOf(row).map((port) => `${row.host}:${port}`))).size, rows.length * 3);
  assert.equal(rows.length, 4 * (12 - 4));

  await Promise.all(rows.map(({ id }, n) => send('DELETE', `${instances[n % 4]!.url}/devices/${id}`)));
  await soon(async () => {
    assert.equal(devices.phones().size, 0);
    const { body } = await send('GET', `${instances[0]!.url}/ports`);
    const seen = body.hosts as { pools: { free: number; size: number }[] }[];
    assert.equal(seen.length, 2);
    for (const { pools } of seen) {
      for (const { free, size } of pools) assert.equal(free, size);
    }
  });
});
