import { randomUUID } from 'node:crypto';

import { DroverError } from '../../contracts/drover-error.ts';
import { childAbort } from '../../runtime/child-abort.ts';
import { failpoint } from '../../runtime/failpoint.ts';
import type { Coordination } from '../coordination.ts';
import { hold } from '../lease/hold.ts';
import { type CallbackAnswer, decodeAnswer, encodeAnswer } from './callback-answer.ts';
import { type CallbackCall, checkCallbackCall, hashBody } from './callback-call.ts';
import { type Begun, type CallbackRecord, createCallbackRecord } from './callback-record.ts';
import type { CallbackHandler, CallbackRun } from './callback-run.ts';
import { type CallbackViews, createCallbackViews } from './callback-views.ts';
import type { CallbackTable } from './sql-callback-table.ts';

export interface CallbacksOptions {
  /**
   * The truth, if there is one: with it an effect in its transaction happens once whatever fails, and callbacks are processed
   * (slower) also while Redis is away. Without it Redis remembers, and what a crash left open has to be reconciled.
   */
  readonly database?: CallbackTable;
  /** How long answers are replayed. Default 7 days, at least 72 h: as long as senders repeat. */
  readonly retentionMs?: number;
  /** An attempt that was not heard of for so long is believed dead. It is prolonged while a handler runs. 300 to 600 000, default 30 000. */
  readonly processingMs?: number;
  /** Of headers and body of an answer together. Default 256 KiB. */
  readonly maxResultBytes?: number;
}

export interface CallbackResult extends CallbackAnswer {
  readonly outcome: 'processed' | 'replayed';
}

export interface Callbacks extends CallbackViews {
  /**
   * Processes a delivery, or replays the answer that an earlier delivery of it got. Protocol P4. After a crash at any point
   * the next delivery finds the answer, or runs the handler where nothing took effect, or asks `reconcile`.
   * @throws DroverError CALLBACK_IN_PROGRESS (details.retryAfterMs), CALLBACK_MISMATCH, CALLBACK_UNRECONCILED,
   * STORE_UNREACHABLE, LEASE_LOST, ARGUMENT_INVALID; and whatever the handler throws, untouched.
   */
  callback(call: CallbackCall, handler: CallbackHandler): Promise<CallbackResult>;
}

const hourMs = 3_600_000;
export const defaultRetentionMs = 7 * 24 * hourMs;
/** Payment providers repeat a callback for three days. */
const minRetentionMs = 72 * hourMs;
const defaultProcessingMs = 30_000;
/** Renewed each third of it: less would be smaller than the pauses of a busy process. */
const minProcessingMs = 300;
/** What a crash leaves open is believed to be at work for so long. */
const maxProcessingMs = 600_000;
const defaultMaxResultBytes = 256 * 1024;
/** Answers are held in Redis for days. */
const limitOfResultBytes = 16 * 1024 * 1024;
/** A lost answer is asked for again; more often than this Redis is away. With a database nothing hangs on it: one try. */
const triesAlone = 3;
/** Should no message say that the other attempt has ended, it is asked about as often as this. */
const maxLookMs = 1000;

/** Every place at which a crash leaves another state behind; tests end the process at each of them. */
export const callbackFailpoints = [
  ...['callback.beforeBegin', 'callback.begun', 'callback.inserted', 'callback.handled'],
  ...['callback.reconciled', 'callback.beforeCommit', 'callback.committed', 'callback.completed'],
] as const;

/** Callbacks that take effect once, on one name space. @throws DroverError ARGUMENT_INVALID */
export function createCallbacks(coordination: Coordination, options: CallbacksOptions = {}): Callbacks {
  const { database } = options;
  const retentionMs = within('retentionMs', options.retentionMs ?? defaultRetentionMs, minRetentionMs);
  const processingMs = within(
    'processingMs',
    options.processingMs ?? defaultProcessingMs,
    minProcessingMs,
    maxProcessingMs,
  );
  const maxResultBytes = within(
    'maxResultBytes',
    options.maxResultBytes ?? defaultMaxResultBytes,
    1,
    limitOfResultBytes,
  );

  /** What Redis is being told of what took effect here, by record. */
  const telling = new Map<string, Promise<void>>();

  async function callback(call: CallbackCall, handler: CallbackHandler): Promise<CallbackResult> {
    checkCallbackCall(call);
    const { scope, key } = call;
    const hash = hashBody(call.body);
    const record = createCallbackRecord(coordination, {
      ...{ scope, key, hash, processingMs, retentionMs },
      token: randomUUID(),
      tries: database === undefined ? triesAlone : 1,
    });
    await telling.get(record.keys.record);
    failpoint('callback.beforeBegin');
    const begun = await beginOrWait(call, record);
    failpoint('callback.begun');
    switch (begun.kind) {
      case 'run':
        return await runHeld({ call, hash, record, begun, handler });
      case 'unreachable':
        return await runInDatabase({ call, hash, record, handler }, lonelyRun(call));
      case 'done':
        return replay(begun.answer);
      case 'busy':
      case 'recovering':
        throw inProgress(call, begun.retryAfterMs);
      case 'mismatch':
        throw mismatch(call);
      case 'unreconciled':
        throw unreconciled(call);
    }
  }

  async function begin(call: CallbackCall, record: CallbackRecord): Promise<Begun | { kind: 'unreachable' }> {
    if (database === undefined) return await record.begin(call.reconcile !== undefined, processingMs);
    // The row is the reconciliation, and it outlives what Redis forgets.
    if (coordination.redis.status !== 'ready') return { kind: 'unreachable' };
    try {
      return await record.begin(true, 0);
    } catch (error) {
      coordination.logger.debug('A callback is processed without Redis', { scope: call.scope, error });
      return { kind: 'unreachable' };
    }
  }

  async function beginOrWait(call: CallbackCall, record: CallbackRecord): Promise<Begun | { kind: 'unreachable' }> {
    const { waitMs = 0, signal } = call;
    const { clock, wakeUps } = coordination;
    const giveUpAtMs = clock.monotonicMs() + waitMs;
    let begun = await begin(call, record);
    if (begun.kind !== 'busy' || waitMs === 0) return begun;
    let woken = childAbort(signal);
    const listening = wakeUps.listen(record.keys.wakeChannel, () => woken.abort());
    try {
      while (begun.kind === 'busy') {
        const leftMs = giveUpAtMs - clock.monotonicMs();
        if (leftMs <= 0 || signal?.aborted || coordination.signal.aborted) return begun;
        await clock.sleep(Math.min(leftMs, begun.retryAfterMs, maxLookMs), woken.signal);
        woken.abort();
        // Before asking: what is published from here on is heard.
        woken = childAbort(signal);
        begun = await begin(call, record);
      }
      return begun;
    } finally {
      listening.close();
      woken.abort();
    }
  }

  async function runHeld(work: Work & { begun: Begun & { kind: 'run' } }): Promise<CallbackResult> {
    const { call, record, begun } = work;
    const held = hold({
      what: `callback ${call.scope}`,
      epoch: begun.epoch,
      ttlMs: processingMs,
      sentAtMs: begun.sentAtMs,
      renew: () => record.renew(),
      // The answer, or the failure, has ended it.
      giveBack: async () => {},
      clock: coordination.clock,
      logger: coordination.logger,
    });
    const toRun: ToRun = (inDatabase) => ({
      ...{ scope: call.scope, key: call.key, token: begun.epoch, attempt: begun.attempt, takenOver: begun.takenOver },
      // Made for those who ask: most handlers are done before it could matter.
      get signal() {
        return held.signal;
      },
      assert: () => held.assertHeld(),
      ...inDatabase,
    });
    try {
      return database === undefined ? await runReconciled(work, toRun({})) : await runInDatabase(work, toRun);
    } finally {
      await held.release();
    }
  }

  /** Redis alone remembers: the effect happens somewhere else, so a crash between the two leaves a question. */
  async function runReconciled({ call, record, handler }: Work, run: CallbackRun): Promise<CallbackResult> {
    let answer: string | undefined;
    if (run.takenOver) {
      const found = await orFail(record, 'unreconciled', async () => {
        if (call.reconcile === undefined) throw unreconciled(call);
        const reconciled = await call.reconcile(run);
        if (reconciled !== 'not-applied') return encodeAnswer(reconciled.done, maxResultBytes);
        run.assert();
        return undefined;
      });
      failpoint('callback.reconciled');
      answer = found;
    }
    if (answer === undefined) {
      const response = await orFail(record, 'failed', async () => handler(run));
      failpoint('callback.handled');
      // The effect is there: an answer that cannot be stored leaves a question, not a callback that may run again.
      answer = await orFail(record, 'unreconciled', async () => encodeAnswer(response, maxResultBytes));
    }
    const completed = await record.complete(answer);
    failpoint('callback.completed');
    if (completed.kind === 'done') return replay(completed.answer);
    if (completed.kind === 'superseded') throw inProgress(call, processingMs);
    return { ...decodeAnswer(answer), outcome: 'processed' };
  }

  /** The row and the effect are one: whatever Redis believes, it happens once. */
  async function runInDatabase(work: Work, toRun: ToRun): Promise<CallbackResult> {
    const { call, hash, record, handler } = work;
    const { scope, key } = call;
    const atMs = coordination.clock.nowMs();
    const process = () =>
      database!.process({ scope, key, hash, atMs }, async (transaction) =>
        encodeAnswer(await handler(toRun({ transaction })), maxResultBytes),
      );
    const outcome = await orFail(record, 'failed', process);
    const told = quietly(async () => {
      await record.complete(outcome.answer, outcome.kind === 'mismatch' ? outcome.hash : hash);
      failpoint('callback.completed');
    });
    // The sender of what has just taken effect does not wait for it. Where Redis knew something else than the row, nobody is
    // to meet that again.
    if (outcome.kind === 'processed') tellMeanwhile(record, told);
    else await told;
    if (outcome.kind === 'mismatch') throw mismatch(call);
    return { ...decodeAnswer(outcome.answer), outcome: outcome.kind };
  }

  function tellMeanwhile({ keys }: CallbackRecord, told: Promise<void>): void {
    telling.set(keys.record, told);
    void told.then(() => telling.delete(keys.record));
    coordination.finish(told);
  }

  /** Without Redis there is nothing to hold, and nothing that could be lost. */
  function lonelyRun({ scope, key }: CallbackCall): ToRun {
    const { signal } = coordination;
    const assert = () => signal.throwIfAborted();
    return (inDatabase) => ({ scope, key, token: 0, attempt: 1, takenOver: false, signal, assert, ...inDatabase });
  }

  async function orFail<T>(record: CallbackRecord, how: 'failed' | 'unreconciled', work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      // Whoever threw is told of their own error: a record that is not written is open until its deadline.
      await quietly(() => record.fail(how));
      throw error;
    }
  }

  async function quietly(work: () => Promise<void>): Promise<void> {
    if (coordination.redis.status !== 'ready' && database !== undefined) return;
    try {
      await work();
    } catch (error) {
      coordination.logger.debug('The record of a callback was not written', { error });
    }
  }

  return { callback, ...createCallbackViews(coordination) };
}

interface Work {
  readonly call: CallbackCall;
  readonly hash: string;
  readonly record: CallbackRecord;
  readonly handler: CallbackHandler;
}

/** What the handler is given; where there is a database, in its transaction. */
type ToRun = (inDatabase: Pick<CallbackRun, 'transaction'>) => CallbackRun;

function replay(answer: string): CallbackResult {
  return { ...decodeAnswer(answer), outcome: 'replayed' };
}

function inProgress({ scope, key }: CallbackCall, retryAfterMs: number): DroverError {
  const message = `Callback ${key} of ${scope} is being processed. Deliver it again in ${retryAfterMs} ms.`;
  return new DroverError('CALLBACK_IN_PROGRESS', message, { details: { scope, key, retryAfterMs } });
}

function mismatch({ scope, key }: CallbackCall): DroverError {
  const message = `Callback ${key} of ${scope} came before with another body. Give each event a key of its own.`;
  return new DroverError('CALLBACK_MISMATCH', message, { details: { scope, key } });
}

function unreconciled({ scope, key }: CallbackCall): DroverError {
  const message = `An earlier attempt at callback ${key} of ${scope} ended without a result. Find out whether it took effect: pass \`reconcile\`, or use a database.`;
  return new DroverError('CALLBACK_UNRECONCILED', message, { details: { scope, key } });
}

function within(path: string, value: number, min: number, max = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  const allowed = max === Number.MAX_SAFE_INTEGER ? `at least ${min}` : `${min} to ${max}`;
  throw new DroverError('ARGUMENT_INVALID', `Callbacks cannot be set up: ${path} is ${value}, allowed is ${allowed}.`, {
    issues: [{ path, reason: 'is out of range', allowed }],
  });
}
