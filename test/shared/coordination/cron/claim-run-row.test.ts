import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';

import { claimRunRow, createRunTable } from '../../../../shared/coordination/cron/claim-run-row.ts';
import { fromSqlite } from '../../../../shared/coordination/sql.ts';

test('the effect of a run is made once, by the first transaction that commits', async (t) => {
  const sqlite = new DatabaseSync(':memory:');
  t.after(() => sqlite.close());
  const db = fromSqlite(sqlite);
  await createRunTable(db);
  await createRunTable(db);
  const runId = 'job@2026-01-01T00:00:00.000Z';

  await assert.rejects(
    db.transaction(async (tx) => {
      assert.equal(await claimRunRow(tx, runId), true);
      throw new Error('the effect failed');
    }),
    /the effect failed/,
  );
  const answers = [];
  for (const id of [runId, runId, 'job@2026-01-01T00:05:00.000Z']) {
    answers.push(await db.transaction((tx) => claimRunRow(tx, id)));
  }
  assert.deepEqual(answers, [true, false, true]);
});
