import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';

import { reseedEpoch } from '../../../../shared/coordination/fence/reseed-epoch.ts';
import { createSqlFence, guardRow } from '../../../../shared/coordination/fence/sql-fence.ts';
import { fromPgClient, fromSqlite, type SqlDatabase } from '../../../../shared/coordination/sql.ts';
import { eventually } from '../../../support/eventually.ts';
import { skipWithoutPostgres, startPostgres } from '../../../support/postgres.ts';
import { startRedis } from '../../../support/redis.ts';
import { tempDirectory } from '../../../support/temp-directory.ts';

/** Opens further connections to one database. */
type Connect = () => Promise<SqlDatabase>;

const databases: { dialect: 'postgres' | 'sqlite'; skip: string | false; start(t: TestContext): Promise<Connect> }[] = [
  {
    dialect: 'postgres',
    skip: skipWithoutPostgres,
    async start(t) {
      const server = await startPostgres(t);
      return async () => fromPgClient(await server.client());
    },
  },
  {
    dialect: 'sqlite',
    skip: false,
    async start(t) {
      const handles: DatabaseSync[] = [];
      const directory = tempDirectory({
        after: (remove) =>
          t.after(async () => {
            for (const handle of handles) handle.close();
            await remove();
          }),
      });
      return async () => {
        const handle = new DatabaseSync(join(directory, 'fence.db'));
        handles.push(handle);
        handle.exec('PRAGMA journal_mode = WAL');
        return fromSqlite(handle);
      };
    },
  },
];

const stale = { code: 'FENCE_STALE', status: 412 };
const name = 'order:42';

for (const { dialect, skip, start } of databases) {
  async function startWithTable(t: TestContext) {
    const connect = await start(t);
    const sql = await connect();
    const fence = createSqlFence({ dialect });
    await fence.createTable(sql);
    return { connect, sql, fence };
  }

  test(`${dialect}: a token below the highest is refused, and says what was seen`, { skip }, async (t) => {
    const { sql, fence } = await startWithTable(t);
    assert.equal(await fence.readHighest(sql, name), null);
    await fence.raise(sql, { name, token: 7 });
    await fence.raise(sql, { name, token: 7 });
    await fence.raise(sql, { name, token: 9 });
    await assert.rejects(fence.raise(sql, { name, token: 8 }), { ...stale, details: { name, token: 8, highest: 9 } });
    await assert.rejects(fence.check(sql, { name, token: 7 }), stale);
    await fence.check(sql, { name, token: 9 });
    await fence.check(sql, { name: 'another', token: 1 });
    assert.equal(await fence.readHighest(sql, name), 9);
  });

  test(`${dialect}: tokens as large as the clock in microseconds keep every digit`, { skip }, async (t) => {
    const { sql, fence } = await startWithTable(t);
    const token = 1_800_000_000_000_001;
    await fence.raise(sql, { name, token });
    assert.equal(await fence.readHighest(sql, name), token);
    assert.equal(await fence.readHighest(sql), token);
    await fence.check(sql, { name, token });
    await assert.rejects(fence.check(sql, { name, token: token - 1 }), stale);
    await assert.rejects(fence.raise(sql, { name, token: 2 ** 53 }), { code: 'ARGUMENT_INVALID' });
  });

  test(`${dialect}: the highest seen is the highest shown, in any order, and nothing lower passes`, {
    skip,
  }, async (t) => {
    const { sql, fence } = await startWithTable(t);
    let run = 0;
    const shows = fc.array(fc.record({ token: fc.integer({ min: 1, max: 9 }), raise: fc.boolean() }), {
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(shows, async (shown) => {
        const mine = `run:${run++}`;
        let highest = 0;
        for (const { token, raise } of shown) {
          const act = raise ? fence.raise(sql, { name: mine, token }) : fence.check(sql, { name: mine, token });
          const passed = await act.then(
            () => true,
            (error) => error.code !== 'FENCE_STALE',
          );
          assert.equal(passed, token >= highest);
          highest = Math.max(highest, token);
        }
        assert.equal(await fence.readHighest(sql, mine), highest === 0 ? null : highest);
      }),
      { numRuns: 40 },
    );
  });

  for (const isFenced of [true, false]) {
    const outcome = isFenced ? 'writes nothing' : 'overwrites the next, when nobody checks';
    test(`${dialect}: a holder that paused after its last look ${outcome}`, { skip }, async (t) => {
      const { connect, sql, fence } = await startWithTable(t);
      await sql.query('CREATE TABLE stock (id INTEGER PRIMARY KEY, writer BIGINT)');
      await sql.query('INSERT INTO stock VALUES (1, 0)');
      const write = async (database: SqlDatabase, token: number) =>
        database.transaction(async (tx) => {
          if (isFenced) await fence.check(tx, { name, token });
          await tx.query('UPDATE stock SET writer = $1 WHERE id = 1', [token]);
        });
      const paused = await connect();
      await fence.raise(paused, { name, token: 1 });
      await write(paused, 1);
      // Its lease ended meanwhile, and another has taken it.
      await fence.raise(sql, { name, token: 2 });
      await write(sql, 2);
      const late = write(paused, 1);
      if (isFenced) await assert.rejects(late, stale);
      else await late;
      const { rows } = await sql.query('SELECT writer FROM stock');
      assert.equal(Number(rows[0]!.writer), isFenced ? 2 : 1);
    });
  }

  test(`${dialect}: a new holder waits for transactions that have checked, and refuses all that come after`, {
    skip,
  }, async (t) => {
    const { connect, sql, fence } = await startWithTable(t);
    await fence.raise(sql, { name, token: 1 });
    const [old, next] = [await connect(), await connect()];
    const mayCommit = Promise.withResolvers<void>();
    const hasChecked = Promise.withResolvers<void>();
    const order: string[] = [];
    const writing = old.transaction(async (tx) => {
      await fence.check(tx, { name, token: 1 });
      hasChecked.resolve();
      await mayCommit.promise;
      order.push('old commits');
    });
    await hasChecked.promise;
    const raising = fence.raise(next, { name, token: 2 }).then(() => order.push('next has raised'));
    if (dialect === 'postgres') {
      await eventually(async () => {
        const { rows } = await sql.query("SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
        return Number(rows[0]!.n) > 0;
      });
    }
    mayCommit.resolve();
    await Promise.all([writing, raising]);
    assert.deepEqual(order, ['old commits', 'next has raised']);
    await assert.rejects(
      old.transaction((tx) => fence.check(tx, { name, token: 1 })),
      stale,
    );
  });

  test(`${dialect}: transactions of one holder that has not raised yet do not block each other for good`, {
    skip,
  }, async (t) => {
    const { connect, sql, fence } = await startWithTable(t);
    await fence.raise(sql, { name, token: 1 });
    const connections = await Promise.all([connect(), connect(), connect(), connect()]);
    await Promise.all(connections.map((each) => each.transaction((tx) => fence.check(tx, { name, token: 5 }))));
    assert.equal(await fence.readHighest(sql, name), 5);
  });

  test(`${dialect}: a row that a later holder wrote is not written by an earlier one`, { skip }, async (t) => {
    const { sql } = await startWithTable(t);
    await sql.query('CREATE TABLE orders (id INTEGER PRIMARY KEY, state TEXT, fence BIGINT)');
    await sql.query("INSERT INTO orders VALUES (1, 'new', NULL)");
    const guard = guardRow({ parameter: 3 });
    const update = `UPDATE orders SET state = $1, ${guard.set} WHERE id = $2 AND ${guard.where}`;
    assert.equal((await sql.query(update, ['paid', 1, 5])).rowCount, 1);
    assert.equal((await sql.query(update, ['lost', 1, 4])).rowCount, 0);
    assert.equal((await sql.query(update, ['sent', 1, 5])).rowCount, 1);
    assert.equal((await sql.query('SELECT state FROM orders')).rows[0]!.state, 'sent');
  });

  test(`${dialect}: several may make the table at once`, { skip }, async (t) => {
    const connect = await start(t);
    const fence = createSqlFence({ dialect, table: 'many_fences' });
    const connections = await Promise.all([connect(), connect(), connect(), connect()]);
    await Promise.all(connections.map((sql) => fence.createTable(sql)));
    await fence.raise(connections[0]!, { name, token: 1 });
  });
}

test('a counter in Redis that is behind the database is lifted, and never lowered', async (t) => {
  const sql = await (await databases[1]!.start(t))();
  const fence = createSqlFence({ dialect: 'sqlite' });
  await fence.createTable(sql);
  const redis = (await startRedis(t)).client();
  const reseed = () => reseedEpoch({ redis, epochKey: 'epoch', fence, sql });
  assert.equal(await reseed(), false);
  assert.equal(await redis.exists('epoch'), 0);
  await fence.raise(sql, { name, token: 1_900_000_000_000_000 });
  assert.equal(await reseed(), true);
  assert.equal(await redis.get('epoch'), '1900000000000000');
  await redis.set('epoch', '1900000000000001');
  assert.equal(await reseed(), false);
  assert.equal(await redis.get('epoch'), '1900000000000001');
});

test('a table or column whose name is more than a name is refused', () => {
  for (const table of ['a; DROP TABLE b', 'a"b', "a'b", '', 'a b', 'a.b.c', '1a', `a${'b'.repeat(63)}`]) {
    assert.throws(() => createSqlFence({ dialect: 'sqlite', table }), RangeError, table);
    assert.throws(() => guardRow({ parameter: 1, column: table }), RangeError, table);
  }
  assert.throws(() => guardRow({ parameter: 0 }), RangeError);
  assert.match(
    createSqlFence({ dialect: 'postgres', table: 'app.fences' }).statements.check,
    /app\.fences .*FOR SHARE/,
  );
});
