import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';

import { checkTableName, fromSqlite } from '../../../shared/coordination/sql.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

function openHandle(t: Lifetime, file: string): DatabaseSync {
  const handle = new DatabaseSync(file);
  handle.exec('PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS things (name TEXT, number INTEGER)');
  t.after(() => handle.close());
  return handle;
}

test('SQLite: numbered parameters are bound by number, also twice, and not inside of text', async () => {
  const database = fromSqlite(new DatabaseSync(':memory:'));
  const { rows } = await database.query(`SELECT $2 AS b, $1 AS a, $2 AS again, '$1' AS text`, [1, 'x']);
  assert.deepEqual({ ...rows[0] }, { b: 'x', a: 1, again: 'x', text: '$1' });
});

test('SQLite: transactions of a handle wait for one another, and one that fails leaves nothing', async (t) => {
  const database = fromSqlite(openHandle(t, join(tempDirectory(t), 'a.db')));
  const insert = (number: number, fails = false) =>
    database.transaction(async (tx) => {
      await tx.query('INSERT INTO things (name, number) VALUES ($1, $2)', ['a', number]);
      await new Promise((resolve) => setImmediate(resolve));
      if (fails) throw new Error('no');
      const { rows } = await tx.query('SELECT COUNT(*) AS count FROM things');
      return rows[0]!.count;
    });
  const counts = await Promise.allSettled([insert(1), insert(2, true), insert(3)]);
  assert.deepEqual(
    counts.map((result) => (result.status === 'fulfilled' ? result.value : 'failed')),
    [1, 'failed', 2],
  );
});

test('SQLite: a file that another handle has locked is waited for, and not for ever', async (t) => {
  const file = join(tempDirectory(t), 'a.db');
  const mine = fromSqlite(openHandle(t, file));
  const other = openHandle(t, file);
  const hasty = fromSqlite(openHandle(t, file), { busyMs: 20 });
  other.exec('BEGIN IMMEDIATE');
  const written = mine.query('INSERT INTO things (name) VALUES ($1)', ['mine']);
  await assert.rejects(hasty.query('INSERT INTO things (name) VALUES ($1)', ['hasty']), /locked/);
  other.exec('COMMIT');
  assert.equal((await written).rowCount, 1);
});

test('a table is an identifier, with its schema at most', () => {
  assert.equal(checkTableName('app.drover_callbacks'), 'app.drover_callbacks');
  for (const name of ['', 'a b', 'a.b.c', '"a"', '1a', `a${'x'.repeat(63)}`]) {
    assert.throws(() => checkTableName(name), RangeError);
  }
});
