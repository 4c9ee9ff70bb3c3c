import assert from 'node:assert/strict';
import { test } from 'node:test';
import fastify from 'fastify';

import { fence } from '../../../sdk/fastify/fence.ts';
import { fenceHeader } from '../../../shared/coordination/fence/fence-header.ts';
import { createMemoryFenceStore } from '../../../shared/coordination/fence/memory-fence-store.ts';

test('fastify: a request of an earlier holder is answered 412 and has no effect', async (t) => {
  const app = fastify();
  t.after(() => app.close());
  const written: number[] = [];
  await app.register(async (scope) => {
    await scope.register(fence, {
      store: createMemoryFenceStore(),
      nameOf: ({ url }) => url.replace('/orders/', 'order:'),
    });
    scope.put('/orders/:id', async (request) => {
      written.push(request.droverFence!.token);
      return { token: request.droverFence!.token };
    });
  });
  app.get('/', async () => 'not fenced');
  const put = (value: string | undefined) =>
    app.inject({ method: 'PUT', url: '/orders/42', headers: value === undefined ? {} : { 'drover-fence': value } });
  const of = (token: number) => fenceHeader({ name: 'order:42', token });

  assert.equal((await put(of(5))).statusCode, 200);
  assert.equal((await put(of(6))).statusCode, 200);
  const refused = await put(of(5));
  assert.equal(refused.statusCode, 412);
  assert.match(String(refused.headers['content-type']), /^application\/problem\+json/);
  assert.equal(refused.json().code, 'FENCE_STALE');
  assert.equal((await put(undefined)).statusCode, 400);
  assert.equal((await put('order:42')).statusCode, 400);
  assert.equal((await put(fenceHeader({ name: 'order:43', token: 9 }))).statusCode, 400);
  assert.deepEqual(written, [5, 6]);
  assert.equal((await app.inject('/')).body, 'not fenced');
});

test('fastify: nothing is let through while the store cannot be asked', async (t) => {
  const app = fastify();
  t.after(() => app.close());
  await app.register(fence, { store: { raise: () => Promise.reject(new Error('no connection')) } });
  app.put('/', async () => 'written');
  const headers = { 'drover-fence': fenceHeader({ name: 'a', token: 1 }) };
  const answer = await app.inject({ method: 'PUT', url: '/', headers });
  assert.equal(answer.statusCode, 503);
  assert.equal(answer.json().code, 'STORE_UNREACHABLE');
});
