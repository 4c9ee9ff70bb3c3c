// A payment provider calls POST /hooks/payments, perhaps several times for one event, at several instances at once.
// The row of the event and the balance change in one transaction, so that each event counts once, whatever fails.
import { DatabaseSync } from 'node:sqlite';
import { connect, createSqlCallbackTable, fromSqlite } from 'drover';
import { droverCallback } from 'drover/fastify';
import Fastify from 'fastify';

// SQLite, so that it runs anywhere: it is one file, for the instances of one host. With PostgreSQL: fromPgPool(pool).
const { PORT = '3000', HOST = '127.0.0.1', DATABASE_FILE = 'payments.db' } = process.env;
const handle = new DatabaseSync(DATABASE_FILE, { timeout: 10_000 });
const database = fromSqlite(handle);
await database.query('CREATE TABLE IF NOT EXISTS balances (account TEXT PRIMARY KEY, cents INTEGER NOT NULL)');
const table = createSqlCallbackTable({ database });
await table.create();

const drover = connect();
const app = Fastify();
const answered = { processed: 0, replayed: 0 };

const callbackRoute = droverCallback(app, {
  callbacks: drover.callbacks({ database: table }),
  scope: 'payments',
  // Here the sender's signature over the exact bytes would be checked. What this throws is answered with an error.
  key: (_request, body) => JSON.parse(body.toString()).id,
  // A repetition that comes while the first is processed waits for its answer.
  waitMs: 5_000,
});

callbackRoute('/hooks/payments', async (run, _request, body) => {
  const { account, cents } = JSON.parse(body.toString());
  const text = `INSERT INTO balances VALUES ($1, $2)
    ON CONFLICT (account) DO UPDATE SET cents = cents + excluded.cents RETURNING cents`;
  const { rows } = await run.transaction.query(text, [account, cents]);
  return { headers: { 'content-type': 'application/json' }, body: JSON.stringify({ account, cents: rows[0].cents }) };
});

app.addHook('onResponse', async (request, reply) => {
  if (request.method !== 'POST' || reply.statusCode !== 200) return;
  answered[reply.hasHeader('drover-replayed') ? 'replayed' : 'processed'] += 1;
});

app.get('/', async () => {
  const { rows } = await database.query('SELECT account, cents FROM balances ORDER BY account');
  const { identity, state } = drover;
  return {
    identity,
    redis: state,
    answered,
    balances: Object.fromEntries(rows.map((row) => [row.account, row.cents])),
  };
});

await app.listen({ port: Number(PORT), host: HOST });
process.once('SIGINT', async () => {
  await app.close();
  await drover.close();
  handle.close();
});
