import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import pg from 'pg';
import type { createDevice } from '../../../examples/cloudphone/device-service/create-device.ts';
import { openDeviceLink } from '../../../examples/cloudphone/device-service/device-link.ts';
import type { createDeviceTable, DeviceTable } from '../../../examples/cloudphone/device-service/device-table.ts';
import type { watchHosts } from '../../../examples/cloudphone/device-service/host-watch.ts';
import type { startKeeper } from '../../../examples/cloudphone/device-service/keeper.ts';
import type { openDatabase } from '../../../examples/cloudphone/shared/database.ts';
import { DroverError } from '../../../shared/contracts/drover-error.ts';
import { eventually } from '../../support/eventually.ts';
import { skipWithoutPostgres, startPostgres } from '../../support/postgres.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import { layOutExample } from '../run-example.ts';
import { create, find, list, openDevices, send } from './open-devices.ts';

const ports = { adb: 1, webrtc: 2, scrcpy: 3 };

const databases: Record<string, { skip: string | false; url: (t: TestContext) => Promise<string> }> = {
  sqlite: { skip: false, url: async (t) => `sqlite:${join(tempDirectory(t), 'devices.db')}` },
  postgres: {
    skip: skipWithoutPostgres,
    async url(t) {
      const { host, port, user, database } = (await startPostgres(t)).config;
      return `postgres://${user}@/${database}?host=${encodeURIComponent(host)}&port=${port}`;
    },
  },
};

/** As a service has it: the examples import the package `drover`, which lies above a laid out copy. */
async function openTable(t: TestContext, url: string): Promise<DeviceTable> {
  return (await openModules(t, url)).table;
}

async function openModules(t: TestContext, url: string) {
  const directory = layOutExample(t, 'cloudphone');
  const shared = (await import(join(directory, 'shared/database.ts'))) as { openDatabase: typeof openDatabase };
  const service = (await import(join(directory, 'device-service/device-table.ts'))) as {
    createDeviceTable: typeof createDeviceTable;
  };
  const database = shared.openDatabase(url);
  const closed = Promise.withResolvers<void>();
  t.after(() => database.close().then(closed.resolve));
  const table = service.createDeviceTable(database);
  await table.create();
  await table.create();
  return { directory, database, table };
}

for (const [name, { skip, url }] of Object.entries(databases)) {
  test(`${name}: a keeper of an earlier token writes nothing any more`, { skip }, async (t) => {
    const table = await openTable(t, await url(t));
    const id = randomUUID();
    await table.insert({ id, userId: 'ann', name: 'phone', host: 'host-1' }, null);
    const [earlier, later] = [
      { id, token: 1_790_000_000_000_001 },
      { id, token: 1_790_000_000_000_002 },
    ];
    assert.equal(await table.givePorts(earlier, 'a', ports), true);
    assert.equal(await table.markRunning(earlier), true);
    assert.equal(await table.claim(later, 'b', ports), true);
    assert.equal(await table.claim(earlier, 'a', ports), false);
    assert.equal(await table.countRestarts(earlier, 3), false);
    assert.equal(await table.markFailed(earlier, 'late'), false);
    const { state, keeper, restarts } = (await table.findById(id))!;
    assert.deepEqual({ state, keeper, restarts }, { state: 'running', keeper: 'b', restarts: 0 });
    assert.equal(await table.markFailed(later, 'ended'), true);
  });

  test(`${name}: states only advance`, { skip }, async (t) => {
    const table = await openTable(t, await url(t));
    const [id, lost, key] = [randomUUID(), randomUUID(), 'key'];
    assert.ok(await table.insert({ id, userId: 'ann', name: 'phone', host: 'host-1' }, key));
    assert.equal(await table.insert({ id: randomUUID(), userId: 'ann', name: 'phone', host: 'host-1' }, key), null);
    assert.ok(await table.insert({ id: lost, userId: 'bob', name: 'phone', host: 'host-1' }, key));
    assert.equal((await table.findByRequest('ann', key))!.id, id);
    assert.deepEqual((await table.list({ limit: 1 })).length, 1);
    const [first, second] = await table.list({ limit: 5 });
    assert.deepEqual(await table.list({ limit: 5, after: first!.id }), [second]);
    assert.deepEqual(await table.filterActive([id, lost, randomUUID()]), new Set([id, lost]));

    await table.requestDeletion(id);
    assert.equal(await table.markRunning({ id, token: 1 }), false);
    assert.equal(await table.givePorts({ id, token: 1 }, 'a', ports), false);
    await table.withdraw(id);
    assert.equal((await table.findById(id))!.state, 'deleting');
    assert.equal(await table.markGone(id), true);
    assert.equal(await table.markGone(id), false);
    assert.equal(await table.claim({ id, token: 2 }, 'a', ports), false);

    await assert.rejects(
      table.markLost('host-1', 'gone', async () => {
        throw new Error('stale');
      }),
      /stale/,
    );
    assert.equal((await table.findById(lost))!.state, 'creating');
    assert.equal(await table.markLost('host-1', 'gone', async () => undefined), 1);
    assert.equal(await table.markRunning({ id: lost, token: 3 }), false);
    assert.deepEqual(await table.listHosts(), []);
    await table.requestDeletion(lost);
    assert.equal((await table.findById(lost))!.state, 'gone');
    assert.deepEqual(await table.list({ limit: 5 }), []);
  });
}

test('the service runs on PostgreSQL', { skip: skipWithoutPostgres }, async (t) => {
  const devices = await openDevices(t, { from: 32_200, DATABASE_URL: await databases.postgres!.url(t) });
  const [a, b] = await devices.runAll(['host-1', 'host-2']);
  const made = await Promise.all([a, b, a, b].map((at) => create(at, 'phone', { 'idempotency-key': 'once' })));
  assert.equal(new Set(made.map(({ id }) => id)).size, 1);
  const device = made[0]!;
  const { body } = await send('GET', `${a.url}/devices?limit=1`);
  assert.deepEqual([(body.devices as unknown[]).length, body.next], [1, device.id]);
  assert.deepEqual((await send('GET', `${a.url}/devices?limit=1&after=${device.id}`)).body.devices, []);
  assert.equal((await send('DELETE', `${b.url}/devices/${device.id}`)).status, 204);
  assert.equal((await find(a, device.id)).state, 'gone');
  // PostgreSQL takes no such text.
  assert.equal((await send('GET', `${a.url}/devices/%00`)).status, 404);
  assert.deepEqual(await list(b), []);
});

test('tables that are there are not waited for while somebody writes to them', {
  skip: skipWithoutPostgres,
}, async (t) => {
  const url = await databases.postgres!.url(t);
  const table = await openTable(t, url);
  await table.insert({ id: randomUUID(), userId: 'ann', name: 'phone', host: 'host-1' }, null);
  const writer = new pg.Client({ connectionString: url });
  await writer.connect();
  try {
    await writer.query(`BEGIN; UPDATE devices SET name = 'frozen'`);
    await openTable(t, `${url}&options=${encodeURIComponent('-c lock_timeout=200ms')}`);
  } finally {
    await writer.end();
  }
});

test('a creation that was paused for long leaves the phone of who took the device over alone', async (t) => {
  const { directory, table } = await openModules(t, await databases.sqlite!.url(t));
  const path = join(directory, 'device-service/create-device.ts');
  const { createDevice: make }: { createDevice: typeof createDevice } = await import(path);
  const ended: string[] = [];
  const host = { end: async (id: string) => void ended.push(id) };
  let asked = 0;
  const allocate = async (_counts: unknown, { requestId }: { requestId: string }) => {
    if (++asked > 1) throw new DroverError('ARGUMENT_INVALID', 'another one has them');
    return {
      ...{ id: requestId, token: 1, ports: { adb: [1], webrtc: [2], scrcpy: [3] }, release: async () => undefined },
      assertHeld() {
        throw new DroverError('LEASE_LOST', 'nothing was heard for too long');
      },
    };
  };
  const late: DeviceTable = {
    ...table,
    async givePorts(claim, ...given) {
      const isGiven = await table.givePorts(claim, ...given);
      // Here the process is paused, and another instance of the host takes over.
      assert.ok(await table.claim({ id: claim.id, token: 2 }, 'b', ports));
      assert.ok(await table.markRunning({ id: claim.id, token: 2 }));
      return isGiven;
    },
  };
  const drover = { host: 'host-1', coordination: { participantId: 'a' } };
  const deps = { drover, ports: { host: 'host-1', allocate }, table: late, host };
  const request = { userId: 'ann', name: 'phone', requestKey: null };
  const created = await make(deps as unknown as Parameters<typeof createDevice>[0], request);
  assert.deepEqual([created.kind, created.kind === 'created' && created.device.keeper], ['created', 'b']);
  assert.deepEqual(ended, []);
});

test('a host that was given up, and came back, is given up anew only after the whole time', async (t) => {
  const { directory, database, table } = await openModules(t, await databases.sqlite!.url(t));
  const path = join(directory, 'device-service/host-watch.ts');
  const { watchHosts: open }: { watchHosts: typeof watchHosts } = await import(path);
  const present = new Set(['host-1']);
  let looks = 0;
  const list = async () => {
    looks += 1;
    return [...present].map((member) => ({ member }));
  };
  let watching: Promise<void> | undefined;
  type Watch = (term: number, signal: AbortSignal) => Promise<void>;
  const drover = {
    host: 'host-1',
    presence: () => ({ join: async () => undefined, list }),
    election: () => ({
      campaign({ onElected }: { onElected: Watch }) {
        watching = onElected(1, ending.signal);
      },
    }),
  };
  const ending = new AbortController();
  const lostMs = 2000;
  await open({ drover: drover as unknown as Parameters<typeof watchHosts>[0]['drover'], database, table, lostMs });
  const [first, second] = [randomUUID(), randomUUID()];
  const lookTwice = (from = looks) => eventually(() => looks > from + 2, { intervalMs: 1 });
  const stateOf = async (id: string) => (await table.findById(id))!.state;
  try {
    await table.insert({ id: first, userId: 'ann', name: 'phone', host: 'host-2' }, null);
    await eventually(async () => assert.equal(await stateOf(first), 'lost'), { timeoutMs: 10_000 });
    // It comes back without a device, has one later, and its only instance is replaced.
    present.add('host-2');
    await lookTwice();
    present.delete('host-2');
    await table.insert({ id: second, userId: 'ann', name: 'phone', host: 'host-2' }, null);
    await lookTwice();
    assert.equal(await stateOf(second), 'creating');
  } finally {
    ending.abort();
    await watching;
  }
});

test('who adopts a device, and is paused before it says so, leaves the phone of the next one alone', async (t) => {
  const { directory, table } = await openModules(t, await databases.sqlite!.url(t));
  const path = join(directory, 'device-service/keeper.ts');
  const { startKeeper: start }: { startKeeper: typeof startKeeper } = await import(path);
  const id = randomUUID();
  await table.insert({ id, userId: 'ann', name: 'phone', host: 'host-1' }, null);
  await table.givePorts({ id, token: 1 }, 'dead', ports);
  await table.markRunning({ id, token: 1 });
  const ended: string[] = [];
  let isReleased = false;
  const adopt = async () => {
    assert.ok(await table.claim({ id, token: 3 }, 'b', ports));
    const release = async () => {
      isReleased = true;
    };
    return { token: 2, ports: { adb: [1], webrtc: [2], scrcpy: [3] }, release };
  };
  const options = {
    drover: {
      ...{ host: 'host-1', coordination: { participantId: 'a' } },
      topic: () => ({ subscribe: () => ({ close: () => undefined }) }),
      tryLock: async () => ({ release: async () => undefined }),
    },
    ports: { adopt, list: async () => [{ allocationId: id, state: 'orphaned' }] },
    host: { watch: () => undefined, list: async () => [id], end: async () => void ended.push(id) },
    ...{ usage: { publish: async () => undefined }, table, lookMs: 60_000 },
  };
  const keeper = start(options as unknown as Parameters<typeof startKeeper>[0]);
  await eventually(() => isReleased);
  await keeper.close();
  assert.deepEqual(ended, []);
});

test('a phone that talks nonsense is one that does not answer', async (t) => {
  const path = join(tempDirectory(t), 'phone.sock');
  for (const nonsense of ['nonsense\n', 'x'.repeat(100_000)]) {
    const server = createServer(
      (socket) =>
        void socket
          .on('error', () => undefined)
          .resume()
          .write(nonsense),
    ).listen(path);
    await once(server, 'listening');
    try {
      await assert.rejects(openDeviceLink(path), /does not talk as a device does/);
    } finally {
      server.close();
      await once(server, 'close');
    }
  }
});
