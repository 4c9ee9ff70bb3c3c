import { randomUUID } from 'node:crypto';
import { createOutbox, type Outbox, type SqlExecutor } from 'drover';
import { sql } from 'kysely';
import { createTables, type Database, queries, run } from '../shared/database.ts';
import { Refusal } from '../shared/refusal.ts';
import { nextStatuses, type OrderStatus, statusesBefore } from './order-status.ts';

export interface Order {
  readonly id: string;
  readonly userId: string;
  readonly planId: string;
  /** In the smallest unit of the currency. */
  readonly amount: number;
  readonly status: OrderStatus;
  readonly createdAt: string;
  /** From then on it is no longer kept for a payment; one that comes before the order was found is still taken. */
  readonly expiresAt: string;
}

export interface OrderChange {
  readonly status: OrderStatus;
  /** A payment, a run of the job that looks for expired orders, or `request`. */
  readonly by: string;
  readonly at: string;
}

/** An entry of the ledger as its user sees it: what came is positive, what went is negative. */
export interface LedgerEntry {
  readonly entry: string;
  readonly orderId: string;
  readonly amount: number;
  readonly at: string;
}

/** `booked`: the order is paid. `known`: this payment was booked before. `refund-due`: the order had no use for it. */
export type PaymentOutcome = 'booked' | 'known' | 'refund-due';

/** Orders, the ledger and what is told to users: each change is one transaction, in PostgreSQL and in SQLite. */
export interface OrderStore {
  readonly outbox: Outbox;
  create(): Promise<void>;
  place(order: Pick<Order, 'userId' | 'planId' | 'amount'> & { ttlMs: number }): Promise<Order>;
  /** In a transaction, if one is given. @throws Refusal 404 */
  find(id: string, tx?: SqlExecutor): Promise<Order>;
  /** The newest first. */
  list(userId: string, limit: number): Promise<Order[]>;
  /** How it came to its status, one after the other. */
  changesOf(id: string): Promise<OrderChange[]>;
  /** @throws Refusal 404, 409 */
  cancel(id: string): Promise<Order>;
  /** Takes the amount from the balance; it is due to whoever paid. @throws Refusal 404, 409 */
  refund(id: string): Promise<Order>;
  /**
   * Books a payment once, by its id, in the transaction of the caller. Money that has arrived is never refused: what a
   * cancelled, expired or already paid order has no use for is due to be refunded, and does not touch the balance.
   * @throws Refusal 404; 409 when this payment was booked for another order
   */
  takePayment(tx: SqlExecutor, orderId: string, paymentId?: string): Promise<{ order: Order; outcome: PaymentOutcome }>;
  /** Expires at most `limit` orders that were to be paid before an instant, in the transaction of the caller; answers how many. */
  expire(tx: SqlExecutor, options: { before: number; limit: number; by: string }): Promise<number>;
  balance(userId: string): Promise<number>;
  ledger(userId: string, limit: number): Promise<LedgerEntry[]>;
  /** What is owed to those who paid, the oldest first. */
  refundsDue(limit: number): Promise<LedgerEntry[]>;
}

interface OrderRow {
  id: string;
  user_id: string;
  plan_id: string;
  amount: number;
  status: OrderStatus;
  created_at: number;
  expires_at: number;
}

interface Tables {
  billing_orders: OrderRow;
  billing_order_changes: { order_id: string; status: OrderStatus; changed_by: string; changed_at: number };
  billing_ledger: {
    entry: string;
    order_id: string;
    from_account: string;
    to_account: string;
    amount: number;
    booked_at: number;
  };
}

/** An entry takes from one account what it gives to another, so the sum over all accounts is always 0. */
const tables = [
  `CREATE TABLE IF NOT EXISTS billing_orders (id TEXT PRIMARY KEY, user_id TEXT NOT NULL, plan_id TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0), status TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL)`,
  'CREATE INDEX IF NOT EXISTS billing_orders_due ON billing_orders (status, expires_at)',
  'CREATE INDEX IF NOT EXISTS billing_orders_user ON billing_orders (user_id, created_at)',
  // Its key sees to it that no order comes to a status twice, whatever the code does.
  `CREATE TABLE IF NOT EXISTS billing_order_changes (order_id TEXT NOT NULL, status TEXT NOT NULL,
    changed_by TEXT NOT NULL, changed_at BIGINT NOT NULL, PRIMARY KEY (order_id, status))`,
  // And this one that nothing is booked twice.
  `CREATE TABLE IF NOT EXISTS billing_ledger (entry TEXT PRIMARY KEY, order_id TEXT NOT NULL, from_account TEXT NOT NULL,
    to_account TEXT NOT NULL, amount BIGINT NOT NULL CHECK (amount > 0), booked_at BIGINT NOT NULL,
    CHECK (from_account <> to_account))`,
  'CREATE INDEX IF NOT EXISTS billing_ledger_from ON billing_ledger (from_account, booked_at)',
  'CREATE INDEX IF NOT EXISTS billing_ledger_to ON billing_ledger (to_account, booked_at)',
];

/** Where the money of payments comes from, and where it waits to be sent back. */
const [provider, refundsDueAccount] = ['provider', 'refunds-due'];
const accountOf = (userId: string) => `user:${userId}`;
const titles: Readonly<Record<OrderStatus, string>> = {
  PENDING: 'Order placed',
  PAID: 'Order paid',
  CANCELLED: 'Order cancelled',
  EXPIRED: 'Order expired',
  REFUNDED: 'Order refunded',
};

export function createOrderStore(database: Database): OrderStore {
  const build = queries<Tables>();
  const outbox = createOutbox({ database, table: 'billing_outbox' });

  /** The one way in which orders change: only from where the table of transitions allows it, decided by the database. */
  async function change(tx: SqlExecutor, to: OrderStatus, ids: readonly string[], by: string): Promise<OrderRow[]> {
    const update = build
      .updateTable('billing_orders')
      .set({ status: to })
      .where('id', 'in', ids)
      .where('status', 'in', statusesBefore(to))
      .returningAll();
    const { rows } = await run(tx, update);
    if (rows.length === 0) return rows;
    const changedAt = Date.now();
    const changes = rows.map(({ id }) => ({ order_id: id, status: to, changed_by: by, changed_at: changedAt }));
    await run(tx, build.insertInto('billing_order_changes').values(changes));
    for (const row of rows) await tell(tx, row, titles[to]);
    return rows;
  }

  async function changeOne(tx: SqlExecutor, id: string, to: OrderStatus): Promise<OrderRow> {
    const [changed] = await change(tx, to, [id], 'request');
    if (changed !== undefined) return changed;
    const { status: from } = await read(tx, id);
    const allowed = nextStatuses[from];
    const message = `Order ${id} is ${from} and cannot become ${to}; it ${allowed.length === 0 ? 'stays so' : `may become ${allowed.join(' or ')}`}.`;
    throw new Refusal(409, 'TRANSITION_REFUSED', message, { from, to, allowed });
  }

  /** Leaves with the transaction, or not at all; one after the other for each user. */
  async function tell(tx: SqlExecutor, { id, user_id, plan_id, amount }: OrderRow, title: string): Promise<void> {
    const message = `Order ${id}, plan ${plan_id}, amount ${amount}`;
    const payload = JSON.stringify({ userId: user_id, title, message });
    await outbox.enqueue(tx, { topic: 'notification', key: user_id, payload });
  }

  async function read(on: SqlExecutor, id: string): Promise<OrderRow> {
    const { rows } = await run(on, build.selectFrom('billing_orders').selectAll().where('id', '=', id));
    if (rows[0] !== undefined) return rows[0];
    throw new Refusal(404, 'ORDER_NOT_FOUND', `There is no order ${id}.`, { orderId: id });
  }

  /** False when an entry of that name is there already. */
  async function book(
    tx: SqlExecutor,
    entry: { entry: string; order: OrderRow; from: string; to: string },
  ): Promise<boolean> {
    const { order, from, to } = entry;
    const row = { entry: entry.entry, order_id: order.id, from_account: from, to_account: to };
    const insert = build
      .insertInto('billing_ledger')
      .values({ ...row, amount: order.amount, booked_at: Date.now() })
      .onConflict((conflict) => conflict.column('entry').doNothing());
    return (await run(tx, insert)).rowCount === 1;
  }

  /** The oldest or the newest entries of an account. */
  async function entriesOf(account: string, limit: number, order: 'asc' | 'desc'): Promise<LedgerEntry[]> {
    const select = build
      .selectFrom('billing_ledger')
      .selectAll()
      .where((where) => where.or([where('to_account', '=', account), where('from_account', '=', account)]))
      .orderBy('booked_at', order)
      .orderBy('entry', order)
      .limit(limit);
    return (await run(database, select)).rows.map(({ entry, order_id, to_account, amount, booked_at }) => ({
      entry,
      orderId: order_id,
      amount: to_account === account ? amount : -amount,
      at: new Date(booked_at).toISOString(),
    }));
  }

  return {
    outbox,
    async create() {
      await createTables(database, tables);
      await outbox.create();
    },
    async place({ userId, planId, amount, ttlMs }) {
      const now = Date.now();
      const [created_at, expires_at] = [now, now + ttlMs];
      const row = { id: randomUUID(), user_id: userId, plan_id: planId, amount, created_at, expires_at };
      const insert = build.insertInto('billing_orders').values({ ...row, status: 'PENDING' });
      return toOrder((await run(database, insert.returningAll())).rows[0]!);
    },
    find: async (id, tx = database) => toOrder(await read(tx, id)),
    async list(userId, limit) {
      const select = build.selectFrom('billing_orders').selectAll().where('user_id', '=', userId);
      const { rows } = await run(database, select.orderBy('created_at', 'desc').orderBy('id').limit(limit));
      return rows.map(toOrder);
    },
    async changesOf(id) {
      const select = build.selectFrom('billing_order_changes').selectAll().where('order_id', '=', id);
      const { rows } = await run(database, select.orderBy('changed_at'));
      return rows.map(({ status, changed_by, changed_at }) => ({
        ...{ status, by: changed_by },
        at: new Date(changed_at).toISOString(),
      }));
    },
    cancel: (id) => database.transaction(async (tx) => toOrder(await changeOne(tx, id, 'CANCELLED'))),
    refund: (id) =>
      database.transaction(async (tx) => {
        const order = await changeOne(tx, id, 'REFUNDED');
        await book(tx, { entry: `refund:${id}`, order, from: accountOf(order.user_id), to: refundsDueAccount });
        return toOrder(order);
      }),
    async takePayment(tx, orderId, paymentId = `of-${orderId}`) {
      const entry = `payment:${paymentId}`;
      const [paid] = await change(tx, 'PAID', [orderId], entry);
      const order = paid ?? (await read(tx, orderId));
      const to = paid === undefined ? refundsDueAccount : accountOf(order.user_id);
      if (await book(tx, { entry, order, from: provider, to })) {
        if (paid === undefined) await tell(tx, order, 'Payment will be refunded');
        return { order: toOrder(order), outcome: paid === undefined ? 'refund-due' : 'booked' };
      }
      const booked = build.selectFrom('billing_ledger').select('order_id').where('entry', '=', entry);
      const [known] = (await run(tx, booked)).rows;
      if (paid === undefined && known?.order_id === orderId) return { order: toOrder(order), outcome: 'known' };
      const message = `Payment ${paymentId} was booked for order ${known?.order_id}, not for ${orderId}.`;
      throw new Refusal(409, 'PAYMENT_OF_ANOTHER_ORDER', message, { paymentId, bookedFor: known?.order_id });
    },
    async expire(tx, { before, limit, by }) {
      const due = build
        .selectFrom('billing_orders')
        .select('id')
        .where('status', '=', 'PENDING')
        .where('expires_at', '<=', before);
      const { rows } = await run(tx, due.orderBy('expires_at').limit(limit));
      if (rows.length === 0) return 0;
      const ids = rows.map(({ id }) => id);
      return (await change(tx, 'EXPIRED', ids, by)).length;
    },
    async balance(userId) {
      const account = accountOf(userId);
      const signed = sql`case when to_account = ${account} then amount else -amount end`;
      const select = build
        .selectFrom('billing_ledger')
        .select(sql<number>`cast(coalesce(sum(${signed}), 0) as bigint)`.as('balance'))
        .where((where) => where.or([where('to_account', '=', account), where('from_account', '=', account)]));
      return (await run(database, select)).rows[0]!.balance;
    },
    ledger: (userId, limit) => entriesOf(accountOf(userId), limit, 'desc'),
    refundsDue: (limit) => entriesOf(refundsDueAccount!, limit, 'asc'),
  };
}

function toOrder({ id, user_id, plan_id, amount, status, created_at, expires_at }: OrderRow): Order {
  const [createdAt, expiresAt] = [created_at, expires_at].map((at) => new Date(at).toISOString());
  return { id, userId: user_id, planId: plan_id, amount, status, createdAt: createdAt!, expiresAt: expiresAt! };
}
