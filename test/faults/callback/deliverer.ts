// Takes deliveries in batches, processes them side by side, and reports the answers. Ends as a crash where it is told to.

import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';

import type { CallbackResponse } from '../../../shared/coordination/callback/callback-answer.ts';
import type { CallbackRun } from '../../../shared/coordination/callback/callback-run.ts';
import { createCallbacks } from '../../../shared/coordination/callback/callbacks.ts';
import { createSqlCallbackTable } from '../../../shared/coordination/callback/sql-callback-table.ts';
import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { fromSqlite } from '../../../shared/coordination/sql.ts';
import { armFailpoints } from '../../../shared/runtime/failpoint.ts';

/**
 * Where the effects are: in the transaction of the callback, or in a ledger of their own that reconciliation asks. `blind`
 * and `forgetful` are broken on purpose, for a checker that has to see it: a take-over that does not ask, and answers made anew.
 */
export type CallbackMode = 'database' | 'ledger' | 'blind' | 'forgetful';

export interface DelivererSettings {
  readonly url: string;
  readonly file: string;
  readonly mode: CallbackMode;
  readonly processingMs: number;
  /** Armed once so many deliveries were taken; undefined for a life without a crash. */
  readonly crash?: { readonly failpoint: string; readonly afterDeliveries: number };
}

export type DelivererReply = readonly [delivery: number, kind: 'answer' | 'retry' | 'broken', text: string];

const settings = JSON.parse(process.argv[2]!) as DelivererSettings;
const { mode, processingMs, crash } = settings;
const handle = new DatabaseSync(settings.file);
// Processes are killed, the machine is not: what is written to the file survives that without a sync. What one that was killed
// left half done is mended by the next one that comes, and others wait for it here: `fromSqlite` waits by itself.
handle.exec('PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA busy_timeout = 0');
const database = fromSqlite(handle);
const coordination = openCoordination({ url: settings.url, identity: `deliverer/${process.pid}` });
const table = createSqlCallbackTable({ database });
const callbacks = createCallbacks(coordination, { processingMs, ...(mode === 'database' ? { database: table } : {}) });
/** Many replies in one message: a message costs more than a delivery. */
let replies: DelivererReply[] = [];
let taken = 0;

process.on('message', (batch: readonly (readonly [delivery: number, event: string])[]) => {
  for (const [delivery, event] of batch) void deliver(delivery, event);
});
// The campaign is over, or gone.
process.on('disconnect', () => process.exit(0));
await coordination.ready().catch(() => {});
process.send!('ready');

async function deliver(delivery: number, event: string): Promise<void> {
  taken++;
  if (crash !== undefined && taken === crash.afterDeliveries) armFailpoints(`${crash.failpoint}=exit`);
  tell(delivery, ...(await processOne(event)));
}

async function processOne(event: string): Promise<['answer' | 'retry' | 'broken', string]> {
  try {
    const call = { scope: 'campaign', key: event, body: `{"event":"${event}"}`, waitMs: 0 };
    const result =
      mode === 'database'
        ? await callbacks.callback(call, applyInTransaction)
        : await callbacks.callback({ ...call, reconcile: askLedger }, applyToLedger);
    const body = mode === 'forgetful' ? randomUUID() : result.body.toString('base64');
    return ['answer', `${result.status} ${JSON.stringify(result.headers)} ${body}`];
  } catch (error) {
    const { code, retryable } = error as { code?: string; retryable?: boolean };
    return retryable ? ['retry', code ?? ''] : ['broken', String(error)];
  }
}

/** An answer that no second run could give. */
function answerOf(event: string, nonce: string): CallbackResponse {
  return { status: 201, headers: { 'content-type': 'application/json' }, body: `{"event":"${event}","id":"${nonce}"}` };
}

async function applyInTransaction(run: CallbackRun): Promise<CallbackResponse> {
  const nonce = randomUUID();
  await run.transaction!.query('INSERT INTO effects (event, nonce) VALUES ($1, $2)', [run.key, nonce]);
  return answerOf(run.key, nonce);
}

/** The ledger refuses a token below one that has asked it: the earlier attempt may still be alive. */
async function applyToLedger(run: CallbackRun): Promise<CallbackResponse> {
  const nonce = randomUUID();
  run.assert();
  const written = await database.query(
    `INSERT INTO effects (event, nonce) SELECT $1, $2
      WHERE NOT EXISTS (SELECT 1 FROM fences WHERE event = $1 AND token > $3)`,
    [run.key, nonce, run.token],
  );
  if (written.rowCount === 0) throw new Error(`Token ${run.token} is stale`);
  return answerOf(run.key, nonce);
}

async function askLedger(run: CallbackRun): Promise<{ done: CallbackResponse } | 'not-applied'> {
  if (mode === 'blind') return 'not-applied';
  const raise =
    'INSERT INTO fences (event, token) VALUES ($1, $2) ON CONFLICT (event) DO UPDATE SET token = MAX(token, excluded.token)';
  await database.query(raise, [run.key, run.token]);
  const { rows } = await database.query('SELECT nonce FROM effects WHERE event = $1', [run.key]);
  return rows[0] === undefined ? 'not-applied' : { done: answerOf(run.key, String(rows[0].nonce)) };
}

function tell(...reply: DelivererReply): void {
  replies.push(reply);
  if (replies.length > 1) return;
  setImmediate(() => {
    process.send!(replies);
    replies = [];
  });
}
