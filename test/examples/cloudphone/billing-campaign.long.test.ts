import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SeededRandom } from '../../simulation/seeded-random.ts';
import { eventually } from '../../support/eventually.ts';
import type { RunningExample } from '../run-example.ts';
import { assertBooksBalance } from './billing-books.ts';
import { dialects, openBillingGround } from './billing-ground.ts';
import { type Answer, ask, payByForm, placeOrder, post } from './billing-requests.ts';
import { runsOf } from './billing-runs.ts';

const orders = 120;
const customers = 12;
/** An instance is killed each time so many orders have come to an end. */
const ordersPerKill = 30;
/** The job looks for expired orders each second, and is to be seen doing so at least this often. */
const minTicks = 12;
const users = ['ann', 'bob', 'cleo'];
const settings = { CANCEL_SCHEDULE: '* * * * * *', ORDER_TTL: '5s' };

for (const { dialect, skip } of dialects) {
  test(`${dialect}: customers pay, cancel and wait while instances are killed, and the books balance`, {
    skip,
  }, async (t) => {
    const random = new SeededRandom(11);
    const below = (limit: number) => random.between(0, limit - 1);
    const ground = await openBillingGround(t, dialect);
    const all: RunningExample[] = [];
    for (const host of ['a', 'b', 'c']) all.push(await ground.bill(host, settings));
    const alive = [...all];
    const anywhere = () => alive[below(alive.length)]!.url;
    const taken: string[] = [];
    const restarts: Promise<unknown>[] = [];
    let ended = 0;

    /** The hosts of `all` come and go; at least two are there. */
    function killOne() {
      const [victim] = alive.splice(below(alive.length), 1);
      victim!.child.kill('SIGKILL');
      const restart = ground.bill(`next-${restarts.length}`, settings).then((next) => {
        all.push(next);
        alive.push(next);
      });
      // It is waited for at the end; until then nobody hears of its failure.
      restart.catch(() => {});
      restarts.push(restart);
    }

    /** As clients and providers do: until there is an answer, wherever it comes from. */
    const insist = (request: () => Promise<Answer>) =>
      eventually(
        async () => {
          const answer = await request();
          const isFinal = answer.status < 500 && answer.body.code !== 'CALLBACK_IN_PROGRESS';
          assert.ok(isFinal, answer.text);
          return answer;
        },
        { timeoutMs: 60_000 },
      );

    async function pay(id: string, paymentId: string) {
      const deliver = () => insist(() => payByForm(anywhere(), `orderId=${id}&status=paid&paymentId=${paymentId}`));
      const answers = await Promise.all(Array.from({ length: 1 + below(3) }, deliver));
      assert.deepEqual(
        [...new Set(answers.map(({ status, text }) => `${status} ${text}`))],
        [`200 ${answers[0]!.text}`],
      );
      taken.push(paymentId);
    }
    const act = (id: string, what: 'cancel' | 'refund') => insist(() => post(`${anywhere()}/orders/${id}/${what}`, {}));

    async function order() {
      const userId = users[below(users.length)]!;
      const { id, expiresAt } = await eventually(() => placeOrder(anywhere(), { userId, amount: 1 + below(500) }), {
        timeoutMs: 60_000,
      });
      switch (below(6)) {
        case 0:
          return await pay(id, `p-${id}`);
        case 1:
          return await Promise.all([pay(id, `p-${id}`), pay(id, `q-${id}`)]);
        case 2:
          return await Promise.all([pay(id, `p-${id}`), act(id, 'cancel')]);
        case 3:
          await pay(id, `p-${id}`);
          return await Promise.all([act(id, 'refund'), act(id, 'refund'), act(id, 'cancel')]);
        case 4: {
          // Just when the job finds it.
          const due = Date.parse(expiresAt) + below(1000);
          await eventually(() => Date.now() >= due, { timeoutMs: 10_000 });
          return await pay(id, `p-${id}`);
        }
        default:
          return;
      }
    }

    await Promise.all(
      Array.from({ length: customers }, async (_, customer) => {
        for (let n = customer; n < orders; n += customers) {
          await order();
          ended += 1;
          if (ended % ordersPerKill === 0 && ended < orders) killOne();
        }
      }),
    );
    await Promise.all(restarts);
    const url = anywhere();
    await eventually(
      async () => {
        const pending = await ground.look("SELECT id FROM billing_orders WHERE status = 'PENDING'");
        assert.deepEqual(pending, []);
        assert.ok(runsOf(all).length >= minTicks);
      },
      { timeoutMs: 30_000 },
    );

    await assertBooksBalance(ground, url);
    const booked = await ground.look("SELECT entry FROM billing_ledger WHERE entry LIKE 'payment:%'");
    assert.deepEqual(booked.map(({ entry }) => entry).sort(), taken.map((id) => `payment:${id}`).sort());
    const counts = new Map(
      (await ground.look('SELECT status, count(*) AS n FROM billing_orders GROUP BY status')).map((row) => [
        row.status,
        Number(row.n),
      ]),
    );
    for (const status of ['PAID', 'CANCELLED', 'EXPIRED', 'REFUNDED'])
      assert.ok(counts.get(status)! > 0, `no order is ${status}`);
    const late =
      "SELECT count(*) AS n FROM billing_ledger WHERE to_account = 'refunds-due' AND from_account = 'provider'";
    assert.ok(Number((await ground.look(late))[0]!.n) > 0, 'no payment came late');

    const runs = runsOf(all);
    assert.equal(new Set(runs.map(({ runId }) => runId)).size, runs.length, 'a tick ran twice');
    const expiries =
      "SELECT changed_by, count(*) AS n FROM billing_order_changes WHERE status = 'EXPIRED' GROUP BY changed_by";
    const expiredBy = new Map((await ground.look(expiries)).map((row) => [row.changed_by, Number(row.n)]));
    for (const { runId, expired } of runs) assert.equal(expiredBy.get(runId) ?? 0, expired, runId);
    assert.ok([...expiredBy.keys()].every((runId) => /^cancel-expired-orders@/.test(String(runId))));
    t.diagnostic(
      `${[...counts].map(([status, n]) => `${n} ${status}`).join(', ')}; ${taken.length} payments, ${runs.length} ticks, ${restarts.length} kills`,
    );
    assert.equal((await ask(`${url}/health`)).status, 200);
  });
}
