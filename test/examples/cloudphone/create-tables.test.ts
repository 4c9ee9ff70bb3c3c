import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import type * as Module from '../../../examples/cloudphone/shared/database.ts';
import type { SqlDatabase } from '../../../sdk/index.ts';
import { eventually } from '../../support/eventually.ts';
import { skipWithoutPostgres, startPostgres } from '../../support/postgres.ts';
import { layOutExample } from '../run-example.ts';

const tables = [
  'CREATE TABLE IF NOT EXISTS things (id TEXT PRIMARY KEY)',
  'CREATE INDEX IF NOT EXISTS things_id ON things (id)',
];

test('postgres: who makes tables while another one is at it waits, and finds them made', {
  skip: skipWithoutPostgres,
}, async (t) => {
  // The examples import the package `drover`, which lies above a laid out copy.
  const directory = layOutExample(t, 'cloudphone');
  const { createTables, openDatabase } = (await import(join(directory, 'shared/database.ts'))) as typeof Module;
  const { config, client } = await startPostgres(t);
  const { user, host, port, database } = config;
  const url = `postgres://${user}@/${database}?host=${encodeURIComponent(host)}&port=${port}`;
  const [a, b] = [openDatabase(url), openDatabase(url)];
  t.after(async () => void (await Promise.all([a.close(), b.close()])));

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
