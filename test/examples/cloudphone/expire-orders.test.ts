import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import type { expireOrders } from '../../../examples/cloudphone/billing-service/expire-orders.ts';
import type { createOrderStore } from '../../../examples/cloudphone/billing-service/order-store.ts';
import type { openDatabase } from '../../../examples/cloudphone/shared/database.ts';
import { type CronRun, createRunTable, createSqlFence, isDroverError } from '../../../sdk/index.ts';
import { startPostgres } from '../../support/postgres.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import { layOutExample } from '../run-example.ts';
import { type Dialect, dialects } from './billing-ground.ts';

const runTable = 'billing_cron_runs';
const job = 'cancel-expired-orders';
const nowAt = Date.UTC(2026, 10, 21, 12);
const dayMs = 24 * 3_600_000;
const runIdAt = (at: number) => `${job}@${new Date(at).toISOString()}`;

async function openUrl(t: TestContext, dialect: Dialect): Promise<string> {
  if (dialect === 'sqlite') return `sqlite:${join(tempDirectory(t), 'billing.db')}`;
  const { host, port, user, database } = (await startPostgres(t)).config;
  return `postgres://${user}@/${database}?host=${encodeURIComponent(host)}&port=${port}`;
}

/** The job of billing-service without the service: runs of any tick. */
async function openJob(t: TestContext, dialect: Dialect) {
  const directory = layOutExample(t, 'cloudphone');
  const open = async <Module>(file: string) => (await import(join(directory, file))) as Module;
  const shared = await open<{ openDatabase: typeof openDatabase }>('shared/database.ts');
  const orders = await open<{ createOrderStore: typeof createOrderStore }>('billing-service/order-store.ts');
  const { expireOrders: expire } = await open<{ expireOrders: typeof expireOrders }>(
    'billing-service/expire-orders.ts',
  );
  const url = await openUrl(t, dialect);
  const database = shared.openDatabase(url);
  t.after(() => database.close());
  const store = orders.createOrderStore(database);
  const fences = createSqlFence({ dialect });
  await store.create();
  await fences.createTable(database);
  await createRunTable(database, runTable);
  const runAt = (at: number) => {
    const run = { job, tick: new Date(at), runId: runIdAt(at), token: at * 1000, trigger: 'schedule' as const };
    const { signal } = new AbortController();
    return expire({ ...run, signal, assert: () => {} } satisfies CronRun, { database, store, fences, runTable });
  };
  const rows = async () => {
    const { rows: found } = await database.query(`SELECT run_id FROM ${runTable} ORDER BY run_id`);
    return found.map(({ run_id }) => run_id);
  };
  return { database, store, runAt, rows };
}

for (const { dialect, skip } of dialects) {
  test(`${dialect}: rows of runs long ago are forgotten, a bounded number at a time, and no others`, {
    skip,
  }, async (t) => {
    const { database, runAt, rows } = await openJob(t, dialect);
    const lately = [runIdAt(nowAt - 6 * dayMs), `${runIdAt(nowAt - 6 * dayMs)}.manual`];
    const others = ['another-job@2020-01-01T00:00:00.000Z', 'zebra@2020-01-01T00:00:00.000Z'];
    const old = Array.from({ length: 130 }, (_, index) => runIdAt(nowAt - 8 * dayMs - index * 60_000));
    for (const id of [...lately, ...others, ...old]) {
      await database.query(`INSERT INTO ${runTable} (run_id) VALUES ($1)`, [id]);
    }
    await runAt(nowAt);
    // The oldest first.
    const left = (await rows()).filter((id) => old.includes(String(id)));
    assert.deepEqual(left, old.slice(0, 30).reverse());
    await runAt(nowAt + 60_000);
    assert.deepEqual(new Set(await rows()), new Set([...lately, ...others, runIdAt(nowAt), runIdAt(nowAt + 60_000)]));
  });

  test(`${dialect}: a run whose row was forgotten does nothing when it comes again`, { skip }, async (t) => {
    const { store, runAt, rows } = await openJob(t, dialect);
    const early = nowAt - 30 * dayMs;
    assert.equal(await runAt(early), 0);
    assert.equal(await runAt(early), undefined, 'known by its row');
    assert.equal(await runAt(nowAt), 0);
    assert.deepEqual(await rows(), [runIdAt(nowAt)]);
    const order = { userId: 'ann', planId: 'basic', amount: 1 };
    const { id } = await store.place({ ...order, ttlMs: -365 * dayMs });
    await assert.rejects(runAt(early), (error) => isDroverError(error) && error.code === 'FENCE_STALE');
    assert.equal((await store.find(id)).status, 'PENDING');
    assert.equal(await runAt(nowAt + 1), 1);
    assert.equal((await store.find(id)).status, 'EXPIRED');
  });
}

test('a run that cannot forget has expired nothing either, and does all of it when it is repeated', async (t) => {
  const { database, store, runAt, rows } = await openJob(t, 'sqlite');
  await database.query(`INSERT INTO ${runTable} (run_id) VALUES ($1)`, [runIdAt(nowAt - 8 * dayMs)]);
  const { id } = await store.place({ userId: 'ann', planId: 'basic', amount: 1, ttlMs: -365 * dayMs });
  await database.query(`CREATE TRIGGER kept BEFORE DELETE ON ${runTable} BEGIN SELECT RAISE(ABORT, 'kept'); END`);
  await assert.rejects(runAt(nowAt), /kept/);
  assert.equal((await store.find(id)).status, 'PENDING');
  await database.query('DROP TRIGGER kept');
  assert.equal(await runAt(nowAt), 1);
  assert.deepEqual(await rows(), [runIdAt(nowAt)]);
});
