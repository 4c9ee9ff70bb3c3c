import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import express from 'express';

import { droverCallback } from '../../../sdk/express/callback.ts';
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
  await coordination.ready();
  await seedBoot(coordination.redis, coordination.prefix);
  const callbacks = createCallbacks(coordination);
  const bodies: Buffer[] = [];
  const options = {
    callbacks,
    scope: 'stripe',
    bodyLimitBytes: 100,
    key: (request: express.Request) => request.get('x-event') ?? '',
  };
  const handler = (_run: unknown, _request: unknown, body: Buffer) => {
    bodies.push(body);
    return { status: 201, headers: { 'content-type': 'text/plain' }, body: 'ok' };
  };
  const app = express();
  app.post('/hook', droverCallback(options, handler));
  app.post('/raw', express.raw({ type: '*/*' }), droverCallback(options, handler));
  app.post('/parsed', express.json(), droverCallback(options, handler));
  app.post(
    '/failing',
    droverCallback(options, () => Promise.reject(new Error('no such order'))),
  );
  app.use((error: Error, _request: express.Request, response: express.Response, _next: express.NextFunction) => {
    response.status(500).send(error.message);
  });
  const listener = app.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  close = async () => {
    listener.closeAllConnections();
    listener.close();
    await coordination.close();
  };
  const { port } = listener.address() as AddressInfo;
  const post = (path: string, key: string, body = '{"a" :1}') =>
    fetch(`http://127.0.0.1:${port}${path}`, {
      ...{ method: 'POST', body },
      headers: { 'x-event': key, 'content-type': 'application/json' },
    });
  return { post, bodies };
}

test('a repetition is replayed with status, content type and bytes, and says so', async (t) => {
  const { post, bodies } = await openApp(t);
  const [first, second] = [await post('/hook', 'e1'), await post('/raw', 'e1')];
  for (const answer of [first, second]) {
    assert.deepEqual(
      [answer.status, answer.headers.get('content-type'), await answer.text()],
      [201, 'text/plain', 'ok'],
    );
  }
  assert.deepEqual([first.headers.get('drover-replayed'), second.headers.get('drover-replayed')], [null, 'true']);
  assert.deepEqual(bodies.map(String), ['{"a" :1}']);
});

test('another body, a body that a parser has read and one that is too large are refused', async (t) => {
  const { post } = await openApp(t);
  await post('/hook', 'e1');
  const mismatch = await post('/hook', 'e1', '{"a":1}');
  assert.deepEqual([mismatch.status, mismatch.headers.get('content-type')], [422, 'application/problem+json']);
  const parsed = await post('/parsed', 'e2');
  const problem = (await parsed.json()) as { code: string };
  assert.deepEqual([parsed.status, problem.code], [400, 'ARGUMENT_INVALID']);
  assert.equal((await post('/hook', 'e3', 'x'.repeat(101))).status, 400);
});

test('what the handler throws goes to the error handler of the app', async (t) => {
  const { post } = await openApp(t);
  const failed = await post('/failing', 'e1');
  assert.deepEqual([failed.status, await failed.text()], [500, 'no such order']);
});
