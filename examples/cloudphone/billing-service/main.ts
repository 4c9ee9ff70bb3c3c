import { connect, createRunTable, createSqlCallbackTable, createSqlFence } from 'drover';
import { openDatabase } from '../shared/database.ts';
import { durationMs } from '../shared/duration-ms.ts';
import { isUserRequired } from '../shared/is-user-required.ts';
import { serve } from '../shared/serve.ts';
import { expireOrders } from './expire-orders.ts';
import { forgetCallbacks } from './forget-callbacks.ts';
import { startNoticeRelay } from './notice-relay.ts';
import { createOrderStore } from './order-store.ts';
import { buildRoutes } from './routes.ts';

const { NODE_ENV, PAYMENT_SECRET, DATABASE_URL } = process.env;
const { ORDER_TTL = '30m', CANCEL_SCHEDULE = '*/5 * * * *' } = process.env;

const mustLogIn = isUserRequired(process.env);
const isStrict = mustLogIn || NODE_ENV === 'production';
if (isStrict && !PAYMENT_SECRET) throw new Error('Set PAYMENT_SECRET: payments have to be signed here');

/** A transaction takes milliseconds: a process that is silent for so long is believed dead, and its callback taken over. */
const callbackProcessingMs = 5000;
/** Providers repeat for three days; what is forgotten would take effect again. */
const callbacksKeptMs = durationMs('callbacksKept', '30d');

const database = openDatabase(DATABASE_URL);
const store = createOrderStore(database);
const callbackTable = createSqlCallbackTable({ database, table: 'billing_callbacks' });
const fences = createSqlFence({ dialect: database.dialect, table: 'billing_fences' });
const runTable = 'billing_cron_runs';
await store.create();
await callbackTable.create();
await fences.createTable(database);
await createRunTable(database, runTable);

const drover = connect();
const relay = startNoticeRelay(drover, store);

drover.cron(
  'cancel-expired-orders',
  CANCEL_SCHEDULE,
  async (run) => {
    const expired = await expireOrders(run, { database, store, fences, runTable });
    if (expired === undefined) return { done: 'before' };
    if (expired > 0) relay.wake();
    console.log(`Expired ${expired} orders in ${run.runId}`);
    return { expired };
  },
  // Orders expire while Redis is away, too: the row of the run makes it once.
  { onStoreDown: 'run' },
);
drover.cron('forget-payment-callbacks', '@daily', async (run) => ({
  forgotten: await forgetCallbacks(run, callbackTable, run.tick.getTime() - callbacksKeptMs),
}));

const app = buildRoutes({
  ...{ database, store, relay, orderTtlMs: durationMs('ORDER_TTL', ORDER_TTL) },
  callbacks: drover.callbacks({ database: callbackTable, processingMs: callbackProcessingMs }),
  signature: { secret: PAYMENT_SECRET, isRequired: isStrict },
  isUserRequired: mustLogIn,
});

await serve(app, async () => {
  await relay.close();
  await drover.close();
  await database.close();
});
