import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { Redis } from 'ioredis';

import { createCallbacks } from '../../../../shared/coordination/callback/callbacks.ts';
import { createSqlCallbackTable } from '../../../../shared/coordination/callback/sql-callback-table.ts';
import { openCoordination } from '../../../../shared/coordination/open-coordination.ts';
import { fromSqlite, type SqlExecutor } from '../../../../shared/coordination/sql.ts';
import { type Clock, systemClock } from '../../../../shared/runtime/clock.ts';
import { eventually } from '../../../support/eventually.ts';
import type { Lifetime } from '../../../support/lifetime.ts';
import { startRedis } from '../../../support/redis.ts';
import { tempDirectory } from '../../../support/temp-directory.ts';

const event = { scope: 'stripe', key: 'evt_1', body: 'paid' };

async function open(t: Lifetime, clock: Clock = systemClock) {
  let close = async () => {};
  t.after(() => close());
  const server = await startRedis(t);
  const coordination = openCoordination({ url: server.url, identity: 'host/test', clock });
  await coordination.ready();
  const handle = new DatabaseSync(join(tempDirectory(t), 'app.db'));
  close = async () => {
    await coordination.close();
    handle.close();
  };
  const database = fromSqlite(handle);
  const table = createSqlCallbackTable({ database });
  await table.create();
  await database.query('CREATE TABLE payments (event TEXT)');
  const callbacks = createCallbacks(coordination, { database: table, processingMs: 400 });
  const pay = async (tx: SqlExecutor | undefined) => {
    await tx!.query('INSERT INTO payments (event) VALUES ($1)', [event.key]);
  };
  const payments = async () => (await database.query('SELECT * FROM payments')).rows.length;
  return { server, coordination, callbacks, table, database, pay, payments };
}

test('the effect and the record are one: what the handler wrote before it threw is not there', async (t) => {
  const { callbacks, pay, payments } = await open(t);
  const failure = new Error('no such order');
  const failed = callbacks.callback(event, async ({ transaction }) => {
    await pay(transaction);
    throw failure;
  });
  assert.equal(await failed.catch((error) => error), failure);
  assert.equal(await payments(), 0);
  await callbacks.callback(event, async ({ transaction }) => {
    await pay(transaction);
    return {};
  });
  assert.equal(await payments(), 1);
});

test('with Redis away callbacks are processed once all the same, and its return changes no answer', async (t) => {
  const { server, coordination, callbacks, pay, payments } = await open(t);
  await server.kill();
  await eventually(() => coordination.redis.status !== 'ready');
  const deliver = () =>
    callbacks.callback(event, async ({ transaction, token }) => {
      assert.equal(token, 0);
      await pay(transaction);
      return { status: 202, headers: { 'content-type': 'text/x' }, body: Buffer.from([1, 200, 0]) };
    });
  const answers = await Promise.all([deliver(), deliver(), deliver()]);
  assert.equal(await payments(), 1);
  await server.restart();
  await coordination.ready();
  answers.push(await deliver(), await deliver());
  assert.deepEqual(
    answers.map(({ outcome }) => outcome),
    ['processed', 'replayed', 'replayed', 'replayed', 'replayed'],
  );
  for (const { status, headers, body } of answers) {
    assert.deepEqual([status, headers, [...body]], [202, { 'content-type': 'text/x' }, [1, 200, 0]]);
  }
  assert.equal(await payments(), 1);
  assert.equal((await callbacks.read(event.scope, event.key)).state, 'done');
});

test('Redis that dies while the handler runs costs nothing', async (t) => {
  const { server, callbacks, pay, payments } = await open(t);
  const first = await callbacks.callback(event, async ({ transaction }) => {
    await server.kill();
    await pay(transaction);
    return { body: 'ok' };
  });
  const second = await callbacks.callback(event, () => assert.fail('it ran'));
  assert.deepEqual([first.outcome, second.outcome, String(second.body)], ['processed', 'replayed', 'ok']);
  assert.equal(await payments(), 1);
});

test('with Redis frozen callbacks are processed all the same', async (t) => {
  const { server, callbacks, pay, payments } = await open(t);
  server.pause();
  const deliver = () =>
    callbacks.callback(event, async ({ transaction }) => {
      await pay(transaction);
      return { body: 'ok' };
    });
  const answers = await Promise.all([deliver(), deliver()]);
  server.resume();
  assert.deepEqual(answers.map(({ outcome }) => outcome).sort(), ['processed', 'replayed']);
  assert.equal(await payments(), 1);
});

test('the answer does not wait until Redis has been told, but the end of the participant does', async (t) => {
  // Nothing is given up for taking too long.
  const { server, coordination, callbacks, pay } = await open(t, { ...systemClock, schedule: () => () => {} });
  const { redis, prefix } = coordination;
  const answer = await callbacks.callback(event, async ({ transaction }) => {
    await pay(transaction);
    server.pause();
    return { body: 'ok' };
  });
  assert.equal(answer.outcome, 'processed');
  const closing = coordination.close();
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(redis.status, 'ready');
  server.resume();
  await closing;
  const look = new Redis(server.url);
  const state = await look
    .hget(`${prefix}:callback:${event.scope}:${event.key}`, 'state')
    .finally(() => look.disconnect());
  assert.equal(state, 'done');
});

test('a delivery right after the first one is replayed, also where Redis learns the script that ends it only now', async (t) => {
  const { coordination, callbacks, pay, payments } = await open(t);
  await coordination.redis.script('FLUSH');
  const deliver = () =>
    callbacks.callback(event, async ({ transaction }) => {
      await pay(transaction);
      return { body: 'ok' };
    });
  const answers = [await deliver(), await deliver()];
  assert.deepEqual(
    answers.map(({ outcome }) => outcome),
    ['processed', 'replayed'],
  );
  assert.equal(await payments(), 1);
});

test('a Redis that lost its data is told by the row, and another body is still refused', async (t) => {
  const { server, coordination, callbacks, pay, payments } = await open(t);
  const handler = async ({ transaction }: { transaction?: SqlExecutor }) => {
    await pay(transaction);
    return { body: 'ok' };
  };
  await callbacks.callback(event, handler);
  await server.restart();
  await coordination.ready();
  await assert.rejects(callbacks.callback({ ...event, body: 'other' }, handler), { code: 'CALLBACK_MISMATCH' });
  assert.equal((await callbacks.callback(event, handler)).outcome, 'replayed');
  assert.equal(await payments(), 1);
});

test('an answer that is too large rolls the effect back', async (t) => {
  const { callbacks, pay, payments } = await open(t);
  const large = callbacks.callback(event, async ({ transaction }) => {
    await pay(transaction);
    return { body: Buffer.alloc(300 * 1024) };
  });
  await assert.rejects(large, { code: 'ARGUMENT_INVALID' });
  assert.equal(await payments(), 0);
});

test('old records are pruned, a bounded number at a time', async (t) => {
  const { callbacks, table, database } = await open(t);
  for (const key of ['a', 'b', 'c']) await callbacks.callback({ ...event, key }, () => ({}));
  assert.equal(await table.prune(1), 0);
  const later = Number.MAX_SAFE_INTEGER;
  assert.equal(await table.prune(later, 2), 2);
  assert.equal(await table.prune(later), 1);
  assert.equal((await database.query('SELECT * FROM drover_callbacks')).rows.length, 0);
});

test('a table name that is more than a name is refused', () => {
  const database = {} as Parameters<typeof createSqlCallbackTable>[0]['database'];
  assert.throws(() => createSqlCallbackTable({ database, table: 'a; DROP TABLE b' }), RangeError);
});
