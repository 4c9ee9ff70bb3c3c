import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import express from 'express';

import { type FenceMiddleware, fence, type WithFence } from '../../../sdk/express/fence.ts';
import { fenceHeader } from '../../../shared/coordination/fence/fence-header.ts';
import { createMemoryFenceStore } from '../../../shared/coordination/fence/memory-fence-store.ts';

async function serve(t: TestContext, middleware: FenceMiddleware) {
  const written: (number | undefined)[] = [];
  const app = express();
  app.put('/orders/:id', middleware, (request, response) => {
    written.push((request as WithFence).droverFence?.token);
    response.json({ ok: true });
  });
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/orders/42`;
  const put = (token?: number) =>
    fetch(url, {
      method: 'PUT',
      headers: token === undefined ? {} : { 'Drover-Fence': fenceHeader({ name: 'order:42', token }) },
    });
  return { put, written };
}

test('express: a request of an earlier holder is answered 412 and has no effect', async (t) => {
  const { put, written } = await serve(t, fence({ store: createMemoryFenceStore() }));
  assert.equal((await put(5)).status, 200);
  assert.equal((await put(6)).status, 200);
  const refused = await put(5);
  assert.equal(refused.status, 412);
  assert.match(refused.headers.get('content-type') ?? '', /^application\/problem\+json/);
  assert.equal(((await refused.json()) as { code: string }).code, 'FENCE_STALE');
  assert.equal((await put()).status, 400);
  assert.deepEqual(written, [5, 6]);
});

test('express: where the header is not required, a request without one passes', async (t) => {
  const { put, written } = await serve(t, fence({ store: createMemoryFenceStore(), required: false }));
  assert.equal((await put()).status, 200);
  assert.equal((await put(6)).status, 200);
  assert.equal((await put(5)).status, 412);
  assert.deepEqual(written, [undefined, 6]);
});
