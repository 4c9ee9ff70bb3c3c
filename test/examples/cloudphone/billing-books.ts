import assert from 'node:assert/strict';

import type { BillingGround } from './billing-ground.ts';
import { ask } from './billing-requests.ts';

/**
 * What holds of orders and money at any time, whatever has failed:
 * each order came to each status once, by a way that there is; each paid order has one payment in the ledger, and no other
 * order has one on its user's account; each refunded one has one refund; all that was paid is on accounts of users or due to
 * be refunded; and the balance of each user is the sum of that user's entries.
 */
export async function assertBooksBalance({ look }: BillingGround, url: string): Promise<void> {
  const [orders, changes, ledger] = await Promise.all([
    look('SELECT id, user_id, amount, status FROM billing_orders'),
    look('SELECT order_id, status FROM billing_order_changes'),
    look('SELECT entry, order_id, from_account, to_account, amount FROM billing_ledger'),
  ]);
  const balances = new Map<string, number>();
  const change = (account: unknown, amount: number) =>
    balances.set(String(account), (balances.get(String(account)) ?? 0) + amount);
  for (const { from_account, to_account, amount } of ledger) {
    change(from_account, -Number(amount));
    change(to_account, Number(amount));
  }
  const expected = new Map<string, number>();
  for (const { id, user_id, amount, status } of orders) {
    const account = `user:${String(user_id)}`;
    const entries = ledger.filter((entry) => entry.order_id === id);
    const paid = entries.filter(({ to_account }) => to_account === account);
    const refunded = entries.filter(({ from_account }) => from_account === account);
    const came = changes.filter(({ order_id }) => order_id === id).map((row) => String(row.status));
    const ways: Readonly<Record<string, string[]>> = { PENDING: [], REFUNDED: ['PAID', 'REFUNDED'] };
    assert.deepEqual(came.sort(), ways[String(status)] ?? [status], `the way of order ${id}`);
    const counts = [paid.length, refunded.length];
    assert.deepEqual(counts, [Number(came.includes('PAID')), Number(status === 'REFUNDED')], `entries of order ${id}`);
    for (const entry of entries) assert.equal(Number(entry.amount), Number(amount));
    expected.set(account, (expected.get(account) ?? 0) + (status === 'PAID' ? Number(amount) : 0));
  }
  for (const [account, balance] of expected) {
    assert.equal(balances.get(account) ?? 0, balance, `what the ledger says of ${account}`);
    const userId = account.slice('user:'.length);
    assert.equal((await ask(`${url}/users/${userId}/balance`)).body.balance, balance);
    const entries = (await ask(`${url}/users/${userId}/ledger?limit=1000`)).body as { amount: number }[];
    assert.equal(
      entries.reduce((sum, { amount }) => sum + amount, 0),
      balance,
      `the entries that ${userId} sees`,
    );
  }
  assert.equal(
    [...balances.values()].reduce((sum, balance) => sum + balance, 0),
    0,
  );
}
