import assert from 'node:assert/strict';
import { test } from 'node:test';
import fastify from 'fastify';

import { droverCallback } from '../../../sdk/fastify/callback.ts';
import { DroverError } from '../../../shared/contracts/drover-error.ts';
import { createCallbacks } from '../../../shared/coordination/callback/callbacks.ts';
import { seedBoot } from '../../../shared/coordination/lease/seed-boot.ts';
import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { startRedis } from '../../support/redis.ts';

async function openApp(t: Lifetime) {
  let close = async () => {};
  t.after(() => close());
  const server = await startRedis(t);
  const coordination = openCoordination({ url: server.url, identity: 'host/test' });
  const app = fastify();
  close = async () => {
    await app.close();
    await coordination.close();
  };
  await coordination.ready();
  await seedBoot(coordination.redis, coordination.prefix);
  const callbacks = createCallbacks(coordination);
  const bodies: Buffer[] = [];
  const go = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  const route = droverCallback(app, {
    callbacks,
    scope: 'stripe',
    key: (request) => String(request.headers['x-event']),
  });
  route('/hook', (_run, _request, body) => {
    bodies.push(body);
    return { status: 201, headers: { 'content-type': 'application/json' }, body: '{"ok": true}' };
  });
  route('/slow', async () => {
    started.resolve();
    await go.promise;
    return {};
  });
  route('/failing', () => Promise.reject(new Error('no such order')));
  app.post('/other', async (request) => request.body);
  const post = (url: string, key: string, payload = '{"a" :1}') =>
    app.inject({ method: 'POST', url, payload, headers: { 'x-event': key, 'content-type': 'application/json' } });
  return { app, post, bodies, go, started };
}

test('a repetition is replayed with status, content type and bytes, and says so', async (t) => {
  const { post, bodies } = await openApp(t);
  const [first, second] = [await post('/hook', 'e1'), await post('/hook', 'e1')];
  for (const { statusCode, headers, body } of [first, second]) {
    assert.deepEqual([statusCode, headers['content-type'], body], [201, 'application/json', '{"ok": true}']);
  }
  assert.deepEqual([first.headers['drover-replayed'], second.headers['drover-replayed']], [undefined, 'true']);
  assert.deepEqual(bodies.map(String), ['{"a" :1}']);
});

test('another body is refused with 422, and one in progress with 409 and Retry-After', async (t) => {
  const { post, go, started } = await openApp(t);
  await post('/hook', 'e1');
  const mismatch = await post('/hook', 'e1', '{"a":1}');
  assert.deepEqual([mismatch.statusCode, mismatch.json().code], [422, 'CALLBACK_MISMATCH']);
  assert.equal(mismatch.headers['content-type'], 'application/problem+json');
  const slow = post('/slow', 'e2').then((answer) => answer);
  await started.promise;
  const busy = await post('/slow', 'e2');
  assert.deepEqual([busy.statusCode, busy.json().code], [409, 'CALLBACK_IN_PROGRESS']);
  assert.ok(Number(busy.headers['retry-after']) >= 1);
  go.resolve();
  assert.equal((await slow).statusCode, 200);
});

test('what the handler throws goes to the error handler of the app, and other routes keep their parsers', async (t) => {
  const { post } = await openApp(t);
  const failed = await post('/failing', 'e1');
  assert.deepEqual([failed.statusCode, failed.json().message], [500, 'no such order']);
  assert.deepEqual((await post('/other', 'e1')).json(), { a: 1 });
});

test('what cannot be decided is answered with 503 and Retry-After', async (t) => {
  const app = fastify();
  t.after(() => app.close());
  const callback = () => Promise.reject(new DroverError('CALLBACK_UNRECONCILED', 'not known'));
  droverCallback(app, { callbacks: { callback }, scope: 's', key: () => 'k' })('/hook', () => ({}));
  const answer = await app.inject({ method: 'POST', url: '/hook' });
  assert.deepEqual([answer.statusCode, answer.headers['retry-after']], [503, '5']);
});
