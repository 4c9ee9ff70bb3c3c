import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createAsk } from '../../../scripts/verify/ask.ts';

async function listen(t: TestContext, answer: (request: IncomingMessage) => Promise<string | null>): Promise<string> {
  const server = createServer(async (request, response) => {
    const text = await answer(request);
    if (text === null) request.socket.destroy();
    else response.end(text);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('a slow request is under way before its second half is sent, and arrives whole', async (t) => {
  const pieces: string[] = [];
  let apartMs = 0;
  const url = await listen(t, async (request) => {
    const startedMs = performance.now();
    for await (const piece of request.setEncoding('utf8')) pieces.push(piece as string);
    apartMs = performance.now() - startedMs;
    return pieces.join('');
  });
  const { text } = await createAsk({ requests: 0, failures: [] })(url, { json: { name: 'phone' }, bodyOverMs: 1000 });
  // Timers come late, never early; the head may arrive together with the first half, or a while before.
  assert.ok(apartMs > 500, `${apartMs} ms`);
  assert.deepEqual(pieces, ['{"name":', '"phone"}']);
  assert.equal(text, '{"name":"phone"}');
});

test('a slow request that is cut off in between is a failure, and is made again', async (t) => {
  let requests = 0;
  const url = await listen(t, async (request) => {
    requests += 1;
    await once(request, 'data');
    return requests === 1 ? null : 'done';
  });
  const tally = { requests: 0, failures: [] as string[] };
  const { text } = await createAsk(tally)(url, { json: { name: 'phone' }, bodyOverMs: 50 });
  assert.equal(text, 'done');
  assert.equal(tally.requests, 2);
  assert.equal(tally.failures.length, 1);
  assert.match(tally.failures[0] ?? '', /POST http/);
});
