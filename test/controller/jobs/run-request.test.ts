import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { healthyUpstreams, runRequest } from '../../../controller/jobs/run-request.ts';
import { httpRunSchema } from '../../../shared/contracts/job.ts';
import { sampleInstance, sampleNode } from '../../support/sample-entities.ts';

const identity = {
  job: 'shop/expire',
  runId: 'shop/expire@x',
  tick: new Date(1_700_000_000_000),
  fence: 42,
};
const never = new AbortController().signal;

async function serve(t: TestContext, listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { instanceId: 'i-1', address: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

test('the instance is told which run it is, of which tick, with which fence', async (t) => {
  const seen = Promise.withResolvers<[IncomingMessage, string]>();
  const upstream = await serve(t, async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    seen.resolve([request, body]);
    response.writeHead(201).end('three expired');
  });
  const run = httpRunSchema.parse({
    type: 'http',
    path: '/jobs/expire?dry=1',
    headers: { 'x-a': 'b' },
    body: '{"a":1}',
  });
  const result = await runRequest(upstream, run, identity, never);
  assert.deepEqual(result, { instanceId: 'i-1', status: 201, body: 'three expired' });
  const [request, body] = await seen.promise;
  assert.deepEqual([request.method, request.url, body], ['POST', '/jobs/expire?dry=1', '{"a":1}']);
  const { 'drover-run': id, 'drover-tick': tick, 'drover-fence': fence, 'x-a': own } = request.headers;
  assert.deepEqual(
    [id, tick, fence, own],
    ['shop/expire@x', '2023-11-14T22:13:20.000Z', '"shop/expire";token=42', 'b'],
  );
});

const run = httpRunSchema.parse({ type: 'http', method: 'GET', path: '/x' });

test('any answer but 2xx is a failure that says what was answered', async (t) => {
  const upstream = await serve(t, (_request, response) => response.writeHead(503).end('the database is away'));
  await assert.rejects(runRequest(upstream, run, identity, never), /GET \/x of i-1 answered 503: the database is away/);
});

test('an answer that is longer than a history keeps is left out, with its length', async (t) => {
  const upstream = await serve(t, (_request, response) => response.end('x'.repeat(100_000)));
  assert.equal((await runRequest(upstream, run, identity, never)).body, '(100000 bytes)');
});

test('the end of its time closes the connection, and is the reason', async (t) => {
  const closed = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const upstream = await serve(t, (request) => {
    request.socket.once('close', () => closed.resolve());
    asked.resolve();
  });
  const time = new AbortController();
  const called = runRequest(upstream, run, identity, time.signal);
  called.catch(() => {});
  await asked.promise;
  time.abort(new Error('it took too long'));
  await assert.rejects(called, /it took too long/);
  await closed.promise;
});

test('an instance that cannot be reached is a failure that says so', async (t) => {
  const upstream = await serve(t, () => {});
  await assert.rejects(
    runRequest({ ...upstream, port: 1 }, run, identity, never),
    /GET \/x of i-1: connect ECONNREFUSED/,
  );
});

test('only instances that are healthy, wanted, and on a node that is heard are asked', () => {
  const nodes = [sampleNode({ id: 'node-1' }), sampleNode({ id: 'node-2', state: 'disconnected' })];
  const good = sampleInstance({ id: 'good' });
  const instances = [
    good,
    sampleInstance({ id: 'ill', status: { health: 'unhealthy' } }),
    sampleInstance({ id: 'young', status: { state: 'starting' } }),
    sampleInstance({ id: 'leaving', desired: 'drain' }),
    sampleInstance({ id: 'far', nodeId: 'node-2' }),
    sampleInstance({ id: 'other', service: 'shop' }),
    sampleInstance({ id: 'deaf', port: null, status: { port: null } }),
  ];
  assert.deepEqual(healthyUpstreams({ nodes, instances }, 'hello'), [
    { instanceId: 'good', address: '10.0.0.1', port: 20_000 },
  ]);
});
