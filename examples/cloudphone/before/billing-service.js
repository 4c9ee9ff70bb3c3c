// Orders and payments. Right with one instance: what it remembers of the orders is true as long as nobody else changes them.
import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import Fastify from 'fastify';

const { PORT = '30005', HOST = '127.0.0.1', DATABASE_FILE = 'billing.db' } = process.env;
const { EXPIRY_TICK_MS = '300000', ORDER_LIFETIME_MS = '1800000' } = process.env;

const database = new DatabaseSync(DATABASE_FILE, { timeout: 10_000 });
database.exec(`PRAGMA journal_mode = WAL;
  CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, user TEXT, plan TEXT, amount INTEGER, status TEXT, expires_at INTEGER);
  CREATE TABLE IF NOT EXISTS credits (user TEXT, order_id TEXT, amount INTEGER);
  CREATE TABLE IF NOT EXISTS notices (order_id TEXT, text TEXT, written_by INTEGER)`);

/** Orders that this process has seen, so that it need not ask the database each time. */
// hazard: memory-state
const orders = new Map();

function findOrder(id) {
  if (!orders.has(id)) {
    const row = database.prepare('SELECT * FROM orders WHERE id = ?').get(id);
    if (row === undefined) return undefined;
    orders.set(id, { ...row });
  }
  return orders.get(id);
}

function setStatus(order, status) {
  order.status = status;
  database.prepare('UPDATE orders SET status = ? WHERE id = ?').run(status, order.id);
}

const app = Fastify();
app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) =>
  done(null, Object.fromEntries(new URLSearchParams(body))),
);

app.post('/orders', async (request, reply) => {
  const { userId, planId, amount } = request.body;
  const id = randomUUID();
  database
    .prepare('INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)')
    .run(id, userId, planId, amount, 'PENDING', Date.now() + Number(ORDER_LIFETIME_MS));
  return reply.code(201).send(findOrder(id));
});

app.get('/orders/:id', async (request, reply) => {
  return findOrder(request.params.id) ?? reply.code(404).send({ error: 'there is no such order' });
});

// hazard: callback-not-once
app.post('/webhooks/payment', async (request, reply) => {
  const { orderId, status } = request.body;
  const order = findOrder(orderId);
  if (order === undefined) return reply.code(404).send({ error: 'there is no such order' });
  if (status === 'paid' && order.status === 'PENDING') {
    setStatus(order, 'PAID');
    database.prepare('INSERT INTO credits VALUES (?, ?, ?)').run(order.user, order.id, order.amount);
  }
  return { status: order.status };
});

app.get('/balances/:user', async (request) => {
  const text = 'SELECT coalesce(sum(amount), 0) AS balance FROM credits WHERE user = ?';
  return database.prepare(text).get(request.params.user);
});

app.get('/notices/:orderId', async (request) => {
  return database.prepare('SELECT text, written_by FROM notices WHERE order_id = ?').all(request.params.orderId);
});

function cancelExpiredOrders() {
  for (const order of orders.values()) {
    if (order.status !== 'PENDING' || order.expires_at > Date.now()) continue;
    setStatus(order, 'CANCELLED');
    database.prepare('INSERT INTO notices VALUES (?, ?, ?)').run(order.id, 'Your order has expired', process.pid);
  }
}

// hazard: timer-work
setInterval(cancelExpiredOrders, Number(EXPIRY_TICK_MS));

app.get('/health', async () => ({ status: 'ok', pid: process.pid }));

// hazard: no-shutdown
await app.listen({ port: Number(PORT), host: HOST });
