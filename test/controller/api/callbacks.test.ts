import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { createCallbacks } from '../../../shared/coordination/callback/callbacks.ts';
import { buildTestApp, type TestApp } from './build-test-app.ts';

const [alice, bob] = ['alice-0123456789abc', 'bob-0123456789abcdef'] as const;
const body = '{"order":42}';
const bodySha256 = createHash('sha256').update(body).digest('hex');
const path = `/v1/callbacks/stripe/${encodeURIComponent('evt/1')}`;

const begin = (app: TestApp, holder: string, more: object = {}) =>
  app.asService('POST', `${path}/begin`, { holder, identity: 'py/1', bodySha256, ...more });

test('a delivery is processed by one caller, and every later one gets its answer byte for byte', async (t) => {
  const app = await buildTestApp(t);
  assert.partialDeepStrictEqual((await begin(app, alice)).json, { state: 'new', attempt: 1 });
  assert.partialDeepStrictEqual((await begin(app, alice)).json, { state: 'new', attempt: 1 }, 'a retry is the same');
  const { json: busy } = await begin(app, bob);
  assert.partialDeepStrictEqual(busy, { state: 'in-progress', token: null });
  assert.ok((busy as { retryAfterMs: number }).retryAfterMs > 0);
  assert.equal((await app.asService('POST', `${path}/extend`, { holder: alice })).status, 204);
  assert.partialDeepStrictEqual((await app.asService('POST', `${path}/extend`, { holder: bob })).json, {
    code: 'LEASE_LOST',
  });

  const answer = {
    status: 201,
    headers: { 'content-type': 'text/plain' },
    bodyBase64: Buffer.from('paid\0').toString('base64'),
  };
  const complete = { holder: alice, identity: 'py/1', bodySha256, ...answer };
  assert.equal((await app.asService('POST', `${path}/complete`, complete)).status, 204);
  assert.equal((await app.asService('POST', `${path}/complete`, complete)).status, 204, 'once more does no harm');
  assert.partialDeepStrictEqual((await begin(app, bob)).json, { state: 'done', answer });

  // The SDK in a Node service sees the same callback.
  const call = { scope: 'stripe', key: 'evt/1', body };
  const replayed = await createCallbacks(app.services).callback(call, () => assert.fail('processed twice'));
  assert.partialDeepStrictEqual(replayed, { outcome: 'replayed', status: 201, body: Buffer.from('paid\0') });

  const { json: view } = await app.asService('GET', path);
  assert.partialDeepStrictEqual(view, { state: 'done', identity: 'py/1', attempt: 1, status: 201 });
  const { json: list } = await app.asService('GET', '/v1/callbacks/stripe?state=done');
  assert.partialDeepStrictEqual(list, [{ key: 'evt/1' }]);
});

test('another body under the same key is refused', async (t) => {
  const app = await buildTestApp(t);
  await begin(app, alice);
  const other = await begin(app, bob, { bodySha256: 'f'.repeat(64) });
  assert.partialDeepStrictEqual(other.json, { status: 422, code: 'CALLBACK_MISMATCH' });
});

test('after an attempt that left no effect the next begins at once; after one that may have, it has to find out', async (t) => {
  const app = await buildTestApp(t);
  await begin(app, alice);
  assert.equal((await app.asService('POST', `${path}/fail`, { holder: alice })).status, 204);
  assert.partialDeepStrictEqual((await begin(app, bob)).json, { state: 'new', attempt: 2 });
  await app.asService('POST', `${path}/fail`, { holder: bob, effect: 'unknown' });
  const refused = await begin(app, alice);
  assert.partialDeepStrictEqual(refused.json, { status: 503, code: 'CALLBACK_UNRECONCILED' });
  assert.partialDeepStrictEqual((await begin(app, alice, { canReconcile: true })).json, {
    state: 'takeover',
    attempt: 3,
  });
});

test('a callback that is not known is not found', async (t) => {
  const { asService } = await buildTestApp(t);
  assert.partialDeepStrictEqual((await asService('GET', path)).json, { status: 404, code: 'CALLBACK_NOT_FOUND' });
});
