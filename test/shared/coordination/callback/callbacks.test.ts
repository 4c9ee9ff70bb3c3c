import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { CallbackRun } from '../../../../shared/coordination/callback/callback-run.ts';
import { type CallbacksOptions, createCallbacks } from '../../../../shared/coordination/callback/callbacks.ts';
import { seedBoot } from '../../../../shared/coordination/lease/seed-boot.ts';
import { openCoordination } from '../../../../shared/coordination/open-coordination.ts';
import { eventually } from '../../../support/eventually.ts';
import type { Lifetime } from '../../../support/lifetime.ts';
import { startRedis } from '../../../support/redis.ts';

const processingMs = 400;
const stripe = { scope: 'stripe', key: 'evt_1', body: '{"amount":12}' };

async function open(t: Lifetime, options: CallbacksOptions = {}) {
  let close = async () => {};
  t.after(() => close());
  const server = await startRedis(t);
  const coordination = openCoordination({ url: server.url, identity: 'host/test' });
  close = () => coordination.close();
  await coordination.ready();
  await seedBoot(coordination.redis, coordination.prefix);
  const callbacks = createCallbacks(coordination, { processingMs, ...options });
  return { server, coordination, callbacks };
}

/** An attempt whose process died: it began, and nothing more was heard of it. */
async function abandon({ coordination, callbacks }: Awaited<ReturnType<typeof open>>, call = stripe): Promise<void> {
  const { redis, prefix } = coordination;
  const never = new Promise<never>(() => {});
  const record = `${prefix}:callback:${call.scope}:${call.key}`;
  callbacks.callback(call, () => never).catch(() => {});
  await eventually(async () => (await redis.hget(record, 'state')) === 'in-progress');
  // As if another token had begun it: the renewals of the one above find it taken and end.
  await redis.hset(record, 'token', 'of a process that died');
  await redis.hset(record, 'deadlineAt', 0);
}

test('a repeated delivery gets the stored answer byte for byte and the handler runs once', async (t) => {
  const { callbacks } = await open(t);
  let runs = 0;
  const body = Buffer.from([0, 255, 128, 10, 13, 200]);
  const handler = () => {
    runs++;
    return { status: 201, headers: { 'content-type': 'application/x-thing' }, body };
  };
  const first = await callbacks.callback(stripe, handler);
  const second = await callbacks.callback(stripe, handler);
  assert.equal(runs, 1);
  assert.deepEqual([first.outcome, second.outcome], ['processed', 'replayed']);
  assert.deepEqual({ ...second, outcome: '' }, { ...first, outcome: '' });
  assert.deepEqual(second.body, body);
});

test('another body under the same key is refused and changes nothing', async (t) => {
  const { callbacks } = await open(t);
  await callbacks.callback(stripe, () => ({ body: 'first' }));
  await assert.rejects(
    callbacks.callback({ ...stripe, body: '{"amount":13}' }, () => ({ body: 'second' })),
    { code: 'CALLBACK_MISMATCH', status: 422 },
  );
  const again = await callbacks.callback(stripe, () => ({ body: 'third' }));
  assert.equal(String(again.body), 'first');
});

test('a delivery in progress is answered with a retry hint, or waited for and replayed', async (t) => {
  const { callbacks } = await open(t);
  const go = Promise.withResolvers<void>();
  const started = Promise.withResolvers<CallbackRun>();
  const first = callbacks.callback(stripe, async (run) => {
    started.resolve(run);
    await go.promise;
    return { body: 'slow' };
  });
  await started.promise;
  const refused = await callbacks
    .callback(stripe, () => ({}))
    .then(
      () => assert.fail('it ran'),
      (error) => error,
    );
  assert.equal(refused.code, 'CALLBACK_IN_PROGRESS');
  assert.ok(refused.details.retryAfterMs > 0 && refused.details.retryAfterMs <= processingMs);
  const waiting = callbacks.callback({ ...stripe, waitMs: 20_000 }, () => assert.fail('it ran'));
  go.resolve();
  assert.equal((await first).outcome, 'processed');
  const replayed = await waiting;
  assert.deepEqual([replayed.outcome, String(replayed.body)], ['replayed', 'slow']);
});

test('an attempt is prolonged for as long as its handler runs', async (t) => {
  const { callbacks } = await open(t);
  const go = Promise.withResolvers<void>();
  const first = callbacks.callback(stripe, async (run) => {
    await go.promise;
    run.assert();
    return { body: 'slow' };
  });
  const endAt = performance.now() + 3 * processingMs;
  await eventually(async () => {
    await assert.rejects(
      callbacks.callback(stripe, () => ({})),
      { code: 'CALLBACK_IN_PROGRESS' },
    );
    return performance.now() > endAt;
  });
  go.resolve();
  assert.equal((await first).outcome, 'processed');
});

test('what the handler throws is rethrown untouched, and the next delivery runs it again at once', async (t) => {
  const { callbacks } = await open(t);
  const failure = new Error('The order does not exist');
  const call = callbacks.callback(stripe, () => Promise.reject(failure));
  assert.equal(await call.catch((error) => error), failure);
  const next = await callbacks.callback(stripe, (run) => {
    assert.deepEqual([run.attempt, run.takenOver], [2, false]);
    return { body: 'now' };
  });
  assert.equal(next.outcome, 'processed');
});

test('an attempt without a result is never run again blindly', async (t) => {
  const opened = await open(t);
  await abandon(opened);
  await assert.rejects(
    opened.callbacks.callback(stripe, () => assert.fail('it ran')),
    { code: 'CALLBACK_UNRECONCILED', status: 503 },
  );
  const [view] = await opened.callbacks.list({ scope: 'stripe' });
  assert.equal(view?.state, 'unreconciled');
});

test('reconciliation that finds the effect stores its answer, and the handler does not run', async (t) => {
  const opened = await open(t);
  await abandon(opened);
  const reconcile = (run: CallbackRun) => {
    assert.ok(run.takenOver && run.attempt === 2);
    return { done: { status: 202, body: 'it was paid' } };
  };
  const result = await opened.callbacks.callback({ ...stripe, reconcile }, () => assert.fail('it ran'));
  assert.deepEqual([result.status, String(result.body)], [202, 'it was paid']);
  const again = await opened.callbacks.callback(stripe, () => assert.fail('it ran'));
  assert.deepEqual([again.outcome, again.status, String(again.body)], ['replayed', 202, 'it was paid']);
});

test('reconciliation that finds nothing lets the handler run, with a higher token', async (t) => {
  const opened = await open(t);
  await abandon(opened);
  const before = Number(await opened.coordination.redis.hget('drover-services:callback:stripe:evt_1', 'epoch'));
  const result = await opened.callbacks.callback({ ...stripe, reconcile: () => 'not-applied' }, (run) => {
    assert.ok(run.token > before);
    return { body: 'second' };
  });
  assert.equal(String(result.body), 'second');
});

test('reconciliation that fails leaves the question open', async (t) => {
  const opened = await open(t);
  await abandon(opened);
  const down = new Error('The provider is down');
  const reconcile = () => Promise.reject(down);
  const failed = opened.callbacks.callback({ ...stripe, reconcile }, () => assert.fail('it ran'));
  assert.equal(await failed.catch((error) => error), down);
  await assert.rejects(
    opened.callbacks.callback(stripe, () => assert.fail('it ran')),
    { code: 'CALLBACK_UNRECONCILED' },
  );
});

test('an attempt that was taken over cannot store its answer, and its token is refused', async (t) => {
  const { callbacks, coordination } = await open(t);
  const go = Promise.withResolvers<void>();
  const started = Promise.withResolvers<CallbackRun>();
  const late = callbacks.callback(stripe, async (run) => {
    started.resolve(run);
    await go.promise;
    return { body: 'late' };
  });
  const run = await started.promise;
  await coordination.redis.hset('drover-services:callback:stripe:evt_1', 'deadlineAt', 0);
  const next = await callbacks.callback({ ...stripe, reconcile: () => 'not-applied' }, () => ({ body: 'next' }));
  assert.equal(String(next.body), 'next');
  await eventually(() => run.signal.aborted);
  assert.throws(() => run.assert(), { code: 'LEASE_LOST' });
  go.resolve();
  const answer = await late;
  assert.deepEqual([answer.outcome, String(answer.body)], ['replayed', 'next']);
});

test('an attempt that ends late, while another is at work, stores nothing and is told to come again', async (t) => {
  const { callbacks, coordination } = await open(t);
  const [goFirst, goSecond] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const late = callbacks.callback(stripe, async () => {
    first.resolve();
    await goFirst.promise;
    return { body: 'late' };
  });
  await first.promise;
  await coordination.redis.hset('drover-services:callback:stripe:evt_1', 'deadlineAt', 0);
  const next = callbacks.callback({ ...stripe, reconcile: () => 'not-applied' }, async () => {
    second.resolve();
    await goSecond.promise;
    return { body: 'next' };
  });
  await second.promise;
  goFirst.resolve();
  await assert.rejects(late, { code: 'CALLBACK_IN_PROGRESS' });
  goSecond.resolve();
  assert.deepEqual([(await next).outcome, String((await next).body)], ['processed', 'next']);
});

test('an answer that is too large to store leaves a question, not a second run', async (t) => {
  const { callbacks } = await open(t, { maxResultBytes: 10 });
  await assert.rejects(
    callbacks.callback(stripe, () => ({ body: 'more than ten bytes' })),
    { code: 'ARGUMENT_INVALID' },
  );
  await assert.rejects(
    callbacks.callback(stripe, () => assert.fail('it ran')),
    { code: 'CALLBACK_UNRECONCILED' },
  );
});

test('without Redis and without a database nothing runs', async (t) => {
  const { server, callbacks } = await open(t);
  await server.kill();
  await assert.rejects(
    callbacks.callback(stripe, () => assert.fail('it ran')),
    { code: 'STORE_UNREACHABLE' },
  );
});

test('after Redis lost its data nothing new begins while an old attempt may still run', async (t) => {
  const { server, coordination, callbacks } = await open(t);
  await server.restart();
  await coordination.ready();
  await assert.rejects(
    callbacks.callback(stripe, () => assert.fail('it ran')),
    { code: 'CALLBACK_IN_PROGRESS' },
  );
  await eventually(() => callbacks.callback(stripe, () => ({})));
});

test('callbacks are listed, the newest first, and read with their answer', async (t) => {
  const { callbacks } = await open(t);
  await callbacks.callback(stripe, () => ({ body: 'a' }));
  await callbacks.callback({ ...stripe, key: 'evt_2' }, () => Promise.reject(new Error('no'))).catch(() => {});
  const done = await callbacks.list({ scope: 'stripe', state: 'done' });
  assert.deepEqual(
    done.map(({ key, status, identity }) => [key, status, identity]),
    [['evt_1', 200, 'host/test']],
  );
  assert.equal((await callbacks.list({ scope: 'stripe' })).length, 2);
  assert.equal(String((await callbacks.read('stripe', 'evt_1')).answer?.body), 'a');
  await assert.rejects(callbacks.read('stripe', 'evt_3'), { code: 'CALLBACK_NOT_FOUND' });
});

test('what cannot be processed is refused by the name of each mistake', async (t) => {
  const { callbacks, coordination } = await open(t);
  const call = { scope: 'a:b', key: '', body: 5 as unknown as string, waitMs: -1 };
  const refused = await callbacks.callback(call, () => assert.fail('it ran')).catch((error) => error);
  assert.equal(refused.code, 'ARGUMENT_INVALID');
  assert.deepEqual(
    refused.issues.map(({ path }: { path: string }) => path),
    ['scope', 'key', 'body', 'waitMs'],
  );
  assert.throws(() => createCallbacks(coordination, { retentionMs: 3_600_000 }), { code: 'ARGUMENT_INVALID' });
});
