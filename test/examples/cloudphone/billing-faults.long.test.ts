import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';

import { forgetCallbacks } from '../../../examples/cloudphone/billing-service/forget-callbacks.ts';
import { type CronRun, createSqlCallbackTable, fromSqlite } from '../../../sdk/index.ts';
import { eventually } from '../../support/eventually.ts';
import { skipWithoutPostgres } from '../../support/postgres.ts';
import type { RunningExample } from '../run-example.ts';
import { assertBooksBalance } from './billing-books.ts';
import { dialects, openBillingGround } from './billing-ground.ts';
import { type Answer, ask, payByForm, placeOrder, post } from './billing-requests.ts';
import { runsOf } from './billing-runs.ts';

/** Breaks an instance where the SDK passes one of these places. */
const broken = (failpoints: string) => ({
  NODE_OPTIONS: `--import=${join(import.meta.dirname, 'arm-failpoints.ts')}`,
  FAILPOINTS: failpoints,
});

/** As a provider does: until it is answered with success. */
async function deliverUntilTaken(url: string, form: string): Promise<Answer> {
  return await eventually(
    async () => {
      const answer = await payByForm(url, form);
      assert.equal(answer.status, 200, answer.text);
      return answer;
    },
    { timeoutMs: 30_000 },
  );
}

// Before the commit, and after it; test/faults/callback has the other places.
const crashes = ['callback.handled', 'callback.committed'];

for (const { dialect, skip } of dialects) {
  test(`${dialect}: a payment whose instance dies in the middle is booked once when it is told again`, {
    skip,
  }, async (t) => {
    const ground = await openBillingGround(t, dialect);
    const survivor = await ground.bill('host-0');
    const victims: RunningExample[] = [];
    for (const crash of crashes) victims.push(await ground.bill(`host-of-${crash}`, broken(`${crash}=exit`)));
    const orders = await Promise.all(crashes.map(() => placeOrder(survivor.url)));
    await Promise.all(
      orders.map(async ({ id }, n) => {
        const form = `orderId=${id}&status=paid`;
        await assert.rejects(() => payByForm(victims[n]!.url, form));
        await eventually(() => assert.equal(victims[n]!.child.signalCode, 'SIGKILL'));
        const { body, text } = await deliverUntilTaken(survivor.url, form);
        assert.deepEqual(body, { orderId: id, status: 'PAID', payment: 'booked' });
        assert.equal((await payByForm(survivor.url, form)).text, text);
      }),
    );
    const entries = await ground.look('SELECT order_id FROM billing_ledger');
    assert.deepEqual(entries.map(({ order_id }) => order_id).sort(), orders.map(({ id }) => id).sort());
    await assertBooksBalance(ground, survivor.url);
  });

  test(`${dialect}: without Redis orders are placed, paid once and expired once`, { skip }, async (t) => {
    const ground = await openBillingGround(t, dialect);
    const settings = { CANCEL_SCHEDULE: '* * * * * *' };
    const a = await ground.bill('host-1', settings);
    const b = await ground.bill('host-2', settings);
    await ground.redis.kill();
    const [paid, left] = [await placeOrder(a.url), await placeOrder(b.url)];
    const form = `orderId=${paid.id}&status=paid`;
    const urls = [a.url, b.url];
    const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => payByForm(urls[n % 2]!, form)));
    assert.deepEqual(
      [...new Set(answers.map(({ status, text }) => `${status} ${text}`))],
      [`200 {"orderId":"${paid.id}","status":"PAID","payment":"booked"}`],
    );
    await ground.look('UPDATE billing_orders SET expires_at = 0 WHERE id = $1', [left.id]);
    await eventually(async () => assert.equal((await ask(`${a.url}/orders/${left.id}`)).body.status, 'EXPIRED'), {
      timeoutMs: 30_000,
    });
    const late = await payByForm(b.url, `orderId=${left.id}&status=paid`);
    assert.equal(late.body.payment, 'refund-due');
    // Both run each tick now.
    await eventually(() => assert.ok(runsOf([a, b]).length >= 4), { timeoutMs: 30_000 });
    await assertBooksBalance(ground, a.url);
  });
}

test('a day with more callbacks than one statement forgets is forgotten whole, and not what came later', async () => {
  const database = fromSqlite(new DatabaseSync(':memory:'));
  const table = createSqlCallbackTable({ database, table: 'callbacks' });
  await table.create();
  const rows = (scope: string, count: number, at: number) =>
    database.query(
      `INSERT INTO callbacks WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
        SELECT '${scope}', i, '', '', ${at} FROM n`,
    );
  await rows('old', 25_000, 1);
  await rows('new', 3, 100);
  const run = { assert: () => undefined } as unknown as CronRun;
  assert.equal(await forgetCallbacks(run, table, 100), 25_000);
  assert.equal((await database.query('SELECT 1 FROM callbacks')).rowCount, 3);
});

test('a run of the job expires nothing once the database has seen a later one', async (t) => {
  const ground = await openBillingGround(t, 'sqlite');
  const { url } = await ground.bill('host-1', { CANCEL_SCHEDULE: '* * * * * *', ORDER_TTL: '1ms' });
  const fence = "SELECT token FROM billing_fences WHERE name = 'cancel-expired-orders'";
  const [seen] = await eventually(async () => {
    const rows = await ground.look(fence);
    assert.equal(rows.length, 1);
    return rows;
  });
  await ground.look('UPDATE billing_fences SET token = $1', [Number.MAX_SAFE_INTEGER]);
  const { id } = await placeOrder(url);
  const redis = ground.redis.client();
  await eventually(async () => {
    const history = await redis.lrange('cloudphone:cron:cancel-expired-orders:history', 0, 0);
    assert.match(String(history), /"outcome":"failed".*stale|higher|later/i);
  });
  assert.equal((await ask(`${url}/orders/${id}`)).body.status, 'PENDING');
  await ground.look('UPDATE billing_fences SET token = $1', [Number(seen!.token)]);
  await eventually(async () => assert.equal((await ask(`${url}/orders/${id}`)).body.status, 'EXPIRED'));
});

test('postgres: an instance that is frozen in its transaction holds a payment up for a bounded time, and books nothing late', {
  skip: skipWithoutPostgres,
}, async (t) => {
  const ground = await openBillingGround(t, 'postgres', '?idle_in_transaction_session_timeout=1000');
  // Longer than all limits, and shorter than the test.
  const frozen = await ground.bill('host-1', broken('callback.handled=pause:15000'));
  const other = await ground.bill('host-2');
  const { id } = await placeOrder(other.url);
  const form = `orderId=${id}&status=paid`;
  const first = payByForm(frozen.url, form);
  await eventually(async () => {
    const text = "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'";
    assert.equal((await ground.look(text)).length, 1);
  });
  assert.equal((await deliverUntilTaken(other.url, form)).body.payment, 'booked');
  // It wakes up, finds its transaction gone, and says that the delivery is to come again.
  assert.deepEqual([(await first).status, (await first).body.error], [503, 'DATABASE_AWAY']);
  assert.equal((await payByForm(frozen.url, form)).headers.get('drover-replayed'), 'true');
  assert.equal((await ground.look('SELECT entry FROM billing_ledger')).length, 1);
});

test('postgres: connections that are ended are answered with 503 at most, and made anew', {
  skip: skipWithoutPostgres,
}, async (t) => {
  const ground = await openBillingGround(t, 'postgres');
  const { url } = await ground.bill('host-1');
  const order = { userId: 'cut-off', planId: 'basic', amount: 3 };
  const places = Array.from({ length: 60 }, () => post(`${url}/orders`, order));
  const cut = () =>
    ground.look(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL',
    );
  for (let n = 0; n < 5; n++) await cut();
  const statuses = (await Promise.all(places)).map(({ status }) => status);
  assert.deepEqual([...new Set([...statuses, 201, 503])].sort(), [201, 503]);
  const { id } = await eventually(() => placeOrder(url));
  assert.equal((await deliverUntilTaken(url, `orderId=${id}&status=paid`)).body.status, 'PAID');
});
