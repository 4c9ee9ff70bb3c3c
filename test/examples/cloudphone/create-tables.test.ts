import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import type * as Module from '../../../examples/cloudphone/shared/database.ts';
import type { SqlDatabase } from '../../../sdk/index.ts';
import { eventually } from '../../support/eventually.ts';
import { skipWithoutPostgres, startPostgres } from '../../support/postgres.ts';
import { layOutExample } from '../run-example.ts';

const tables = [
  'CREATE TABLE IF NOT EXISTS things (id TEXT PRIMARY KEY)',
  'CREATE INDEX IF NOT EXISTS things_id ON things (id)',
];

/** As two instances have them; the examples import the package `drover`, which lies above a laid out copy. */
async function openTwo(t: TestContext) {
  const { createTables, openDatabase } = (await import(
    join(layOutExample(t, 'cloudphone'), 'shared/database.ts')
  )) as typeof Module;
  const { config, client } = await startPostgres(t);
  const { user, host, port, database } = config;
  const url = `postgres://${user}@/${database}?host=${encodeURIComponent(host)}&port=${port}`;
  const databases = [openDatabase(url), openDatabase(url)] as const;
  t.after(async () => void (await Promise.all(databases.map((one) => one.close()))));
  return { createTables, databases, client };
}

test('postgres: who makes tables while another one is at it waits, and finds them made', {
  skip: skipWithoutPostgres,
}, async (t) => {
  const { createTables, databases, client } = await openTwo(t);
  const [a, b] = databases;

  const made = Promise.withResolvers<void>();
  const commit = Promise.withResolvers<void>();
  /** Has made its tables, and has not committed yet. */
  const slow: SqlDatabase = {
    ...a,
    transaction: (body) =>
      a.transaction(async (tx) => {
        const result = await body(tx);
        made.resolve();
        await commit.promise;
        return result;
      }),
  };
  const first = createTables(slow, tables);
  await made.promise;
  const second = createTables(b, tables);
  const look = await client();
  await eventually(async () => {
    const { rows } = await look.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
    assert.equal(rows.length, 1);
  });
  commit.resolve();
  await Promise.all([first, second]);
  await createTables(b, tables);
});

test('postgres: tables that are there are not waited for', { skip: skipWithoutPostgres }, async (t) => {
  const { createTables, databases, client } = await openTwo(t);
  const [database] = databases;
  await createTables(database, tables);
  const writer = await client();
  await writer.query('BEGIN');
  await writer.query("INSERT INTO things VALUES ('written, not committed')");
  await createTables(database, tables);
  await writer.query('COMMIT');
});
