import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';

import { createCallbacks } from '../../../../shared/coordination/callback/callbacks.ts';
import { createOutbox } from '../../../../shared/coordination/callback/outbox.ts';
import { createSqlCallbackTable } from '../../../../shared/coordination/callback/sql-callback-table.ts';
import { openCoordination } from '../../../../shared/coordination/open-coordination.ts';
import { fromPgClient, fromPgPool } from '../../../../shared/coordination/sql.ts';
import { eventually } from '../../../support/eventually.ts';
import type { Lifetime } from '../../../support/lifetime.ts';
import { skipWithoutPostgres, startPostgres } from '../../../support/postgres.ts';
import { startRedis } from '../../../support/redis.ts';

const skip = skipWithoutPostgres;
const event = { scope: 'stripe', key: 'evt_1', body: 'paid' };

async function open(t: Lifetime) {
  const closers: (() => Promise<void>)[] = [];
  t.after(async () => {
    for (const close of closers.reverse()) await close();
  });
  const [server, postgres] = await Promise.all([startRedis(t), startPostgres(t)]);
  const coordination = openCoordination({ url: server.url, identity: 'host/test' });
  closers.push(() => coordination.close());
  await coordination.ready();
  const pool = new pg.Pool({ ...postgres.config, max: 6 });
  pool.on('error', () => {});
  closers.push(() => pool.end());
  const database = fromPgPool(pool);
  const table = createSqlCallbackTable({ database });
  await table.create();
  await table.create();
  await database.query('CREATE TABLE payments (event TEXT)');
  const callbacks = createCallbacks(coordination, { database: table, processingMs: 400 });
  const payments = async () => (await database.query('SELECT * FROM payments')).rows.length;
  return { server, coordination, postgres, database, table, callbacks, payments };
}

test('PostgreSQL: duplicates side by side without Redis take effect once and get one answer', { skip }, async (t) => {
  const { server, coordination, callbacks, payments } = await open(t);
  await server.kill();
  await eventually(() => coordination.redis.status !== 'ready');
  let number = 0;
  const deliver = () =>
    callbacks.callback(event, async ({ transaction }) => {
      await transaction!.query('INSERT INTO payments (event) VALUES ($1)', [event.key]);
      number++;
      return { status: 201, body: `answer ${number}` };
    });
  const answers = await Promise.all(Array.from({ length: 6 }, deliver));
  assert.equal(await payments(), 1);
  assert.deepEqual([...new Set(answers.map(({ status, body }) => `${status} ${body}`))], ['201 answer 1']);
  assert.equal(answers.filter(({ outcome }) => outcome === 'processed').length, 1);
});

test('PostgreSQL: an attempt that was taken over and wakes up late changes nothing', { skip }, async (t) => {
  const { coordination, callbacks, payments } = await open(t);
  const go = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  const pay = (answer: string, wait?: Promise<void>) =>
    callbacks.callback(event, async ({ transaction }) => {
      started.resolve();
      await wait;
      await transaction!.query('INSERT INTO payments (event) VALUES ($1)', [event.key]);
      return { body: answer };
    });
  const first = pay('first', go.promise);
  await started.promise;
  await coordination.redis.hset('drover-services:callback:stripe:evt_1', 'deadlineAt', 0);
  // The row of the first is not committed: the second waits for it in the database.
  const second = pay('second');
  go.resolve();
  const bodies = (await Promise.all([first, second])).map(({ body }) => String(body));
  assert.deepEqual(bodies, ['first', 'first']);
  assert.equal(await payments(), 1);
});

test('PostgreSQL: a connection that dies before the commit leaves nothing, and the next delivery runs', {
  skip,
}, async (t) => {
  const { database, callbacks, payments } = await open(t);
  const failed = callbacks.callback(event, async ({ transaction }) => {
    await transaction!.query('INSERT INTO payments (event) VALUES ($1)', [event.key]);
    const { rows } = await transaction!.query('SELECT pg_backend_pid() AS pid');
    await database.query('SELECT pg_terminate_backend($1::int)', [Number(rows[0]!.pid)]);
    return {};
  });
  await assert.rejects(failed);
  assert.equal(await payments(), 0);
  const next = await callbacks.callback(event, async ({ transaction }) => {
    await transaction!.query('INSERT INTO payments (event) VALUES ($1)', [event.key]);
    return {};
  });
  assert.equal(next.outcome, 'processed');
  assert.equal(await payments(), 1);
});

test('PostgreSQL: records are pruned, and the outbox keeps the order of its keys', { skip }, async (t) => {
  const { callbacks, table, database, postgres } = await open(t);
  await callbacks.callback(event, () => ({}));
  assert.equal(await table.prune(1), 0);
  assert.equal(await table.prune(Number.MAX_SAFE_INTEGER), 1);
  const outbox = createOutbox({ database });
  await outbox.create();
  const client = fromPgClient(await postgres.client());
  for (const payload of ['a', 'b']) {
    await client.transaction((tx) => outbox.enqueue(tx, { topic: 'orders', key: '1', payload }));
  }
  const [first] = await outbox.due(10);
  assert.deepEqual([first?.payload, first?.attempt], ['a', 1]);
  await outbox.putOff(first!.id, 'down', undefined);
  assert.deepEqual(
    (await outbox.due(10)).map(({ payload }) => payload),
    ['b'],
  );
  assert.deepEqual(
    (await outbox.dead(10)).map(({ payload, lastError }) => [payload, lastError]),
    [['a', 'down']],
  );
  assert.equal(await outbox.revive(first!.id), true);
});

test('PostgreSQL: tables that are there are made again without a wait for who writes in them', { skip }, async (t) => {
  const { database, postgres, table } = await open(t);
  const outbox = createOutbox({ database });
  await outbox.create();
  const written = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const writing = database.transaction(async (tx) => {
    await outbox.enqueue(tx, { topic: 'paid', key: 'o-1', payload: '{}' });
    await tx.query("INSERT INTO drover_callbacks VALUES ('s', 'k', 'h', NULL, 0)");
    written.resolve();
    await end.promise;
  });
  await written.promise;
  const impatient = new pg.Pool({ ...postgres.config, max: 1, options: '-c lock_timeout=200ms' });
  impatient.on('error', () => {});
  try {
    const another = fromPgPool(impatient);
    await createSqlCallbackTable({ database: another }).create();
    await createOutbox({ database: another }).create();
  } finally {
    end.resolve();
    await writing;
    await impatient.end();
  }
  await table.create();
});
