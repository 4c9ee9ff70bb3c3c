// One order at a time, whichever instance is asked: POST /orders/42 stands in line for the lock of order 42.
import { createServer } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, createSqlFence, fromSqlite, isDroverError } from 'drover';

const { PORT = '3000', HOST = '127.0.0.1', DATABASE_FILE = 'orders.db', WORK_MS = '200' } = process.env;
// SQLite, so that it runs anywhere: it is one file, for the instances of one host. With PostgreSQL: fromPgPool(pool).
const handle = new DatabaseSync(DATABASE_FILE);
const database = fromSqlite(handle);
const fences = createSqlFence({ dialect: 'sqlite' });
await fences.createTable(database);
await database.query('CREATE TABLE IF NOT EXISTS packed (order_id TEXT, instance TEXT, token INTEGER)');
const drover = connect();

async function packOrder(lock) {
  // From here on the database refuses every earlier holder, also one that was paused and does not know that its time is over.
  await fences.raise(database, lock);
  // Stands for what takes time. It ends early should the lock be lost.
  await sleep(Number(WORK_MS), undefined, { signal: lock.signal });
  await database.transaction(async (tx) => {
    await fences.check(tx, lock);
    await tx.query('INSERT INTO packed VALUES ($1, $2, $3)', [lock.name, drover.identity, lock.token]);
  });
  return { order: lock.name, by: drover.identity, token: lock.token };
}

const server = createServer(async (request, response) => {
  const order = /^\/orders\/([\w-]{1,100})$/.exec(request.url)?.[1];
  const waiting = new AbortController();
  // Whoever hangs up leaves the line.
  response.once('close', () => waiting.abort());
  try {
    if (request.method === 'POST' && order !== undefined) {
      const options = { ttlMs: 5_000, waitMs: 20_000, signal: waiting.signal };
      return answer(response, 200, await drover.withLock(`order:${order}`, options, packOrder));
    }
    const { rows } = await database.query('SELECT count(*) AS packed FROM packed');
    const orders = await drover.locks.list({ match: 'order:' });
    answer(response, 200, { identity: drover.identity, packed: rows[0].packed, orders });
  } catch (error) {
    if (waiting.signal.aborted) return;
    answer(response, isDroverError(error) ? error.status : 500, { code: error.code, message: error.message });
  }
});

function answer(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

server.listen(Number(PORT), HOST);
process.once('SIGINT', async () => {
  server.close();
  await drover.close();
  handle.close();
});
