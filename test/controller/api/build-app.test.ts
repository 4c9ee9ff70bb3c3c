import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { Node } from '../../../shared/contracts/entities.ts';
import { operations } from '../../../shared/contracts/operations.ts';
import type { Problem } from '../../../shared/contracts/problem.ts';
import type { Store } from '../../../shared/redis/store/store.ts';
import { buildTestApp } from './build-test-app.ts';

const spec = { name: 'web', script: 'server.js' };

async function addNode(store: Store, id: string, change: Partial<Node> = {}): Promise<void> {
  const secretHash = createHash('sha256').update('secret').digest('hex');
  await store.joinTokens.create(
    {
      id: `token-${id}`,
      createdAt: 1,
      createdBy: 'user:test',
      expiresAt: null,
      usesLeft: null,
      revoked: false,
      labels: {},
    },
    secretHash,
    'user:test',
  );
  const facts = {
    name: id,
    address: '127.0.0.1',
    cores: 2,
    memoryBytes: 1e9,
    ports: { from: 20_000, to: 20_099 },
    labels: {},
    router: false,
    version: '0',
  };
  await store.nodes.join({
    tokenId: `token-${id}`,
    secretHash,
    node: {
      ...facts,
      id,
      eligibility: 'eligible',
      state: 'ready',
      joinedAt: 1,
      heartbeat: 1,
      heartbeatAt: 1,
      ...change,
    },
  });
}

test('every operation of the table has a route, and the OpenAPI document describes exactly those', async (t) => {
  const { app } = await buildTestApp(t);
  const document = (await app.inject({ url: '/openapi.json' })).json() as {
    paths: Record<string, Record<string, { operationId: string }>>;
  };
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const expected = Object.values(operations).map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
  assert.deepEqual(described.toSorted(), expected.toSorted());
  for (const { method, path } of Object.values(operations))
    assert.ok(app.hasRoute({ method, url: path }), `${method} ${path}`);
});

test('no token, a wrong one, and no certificate are refused with problem+json', async (t) => {
  const { app } = await buildTestApp(t);
  for (const [headers, code] of [
    [{}, 'TOKEN_MISSING'],
    [{ authorization: 'Bearer drva_wrong_wrong_wrong_wrong' }, 'TOKEN_INVALID'],
    [{ authorization: 'Basic YTpi' }, 'TOKEN_MISSING'],
  ] as const) {
    const response = await app.inject({ url: '/v1/services', headers });
    assert.equal(response.statusCode, 401);
    assert.equal(response.headers['content-type'], 'application/problem+json; charset=utf-8');
    assert.equal((response.json() as Problem).code, code);
  }
  assert.equal(
    (await app.inject({ url: '/v1/artifacts/'.padEnd(78, 'a') })).json<Problem>().code,
    'CERTIFICATE_INVALID',
  );
});

test('the type of a problem leads to a page that explains its code', async (t) => {
  const { app } = await buildTestApp(t);
  const { type, code, title } = (await app.inject({ url: '/v1/services' })).json<Problem>();
  const [path, anchor] = type.split('#');
  const page = await app.inject({ url: path as string });
  assert.equal(anchor, code);
  assert.ok(page.body.includes(`id="${code}"`) && page.body.includes(title));
});

test('log lines are asked for of everything, of a service or of an instance, not of both', async (t) => {
  const { app, token, call } = await buildTestApp(t);
  const all = await app.inject({ url: '/v1/logs', headers: { authorization: `Bearer ${token}` } });
  assert.deepEqual([all.statusCode, all.body.includes('logs')], [200, true]);
  const both = await call('GET', '/v1/logs?service=web&instance=i-1');
  assert.partialDeepStrictEqual(both.json, { status: 400, code: 'ARGUMENT_INVALID' });
});

test('a request that does not fit the contract names each field, the reason and what is allowed, and changes nothing', async (t) => {
  const { call, store } = await buildTestApp(t);
  const { status, json } = await call('PUT', '/v1/services/web', {
    spec: { ...spec, script: 7, execMode: 'thread' },
    artifact: null,
  });
  assert.equal(status, 400);
  const { code, issues } = json as Problem;
  assert.equal(code, 'ARGUMENT_INVALID');
  assert.deepEqual(issues?.map(({ path }) => path).toSorted(), ['spec.execMode', 'spec.script']);
  assert.equal(issues?.find(({ path }) => path === 'spec.execMode')?.allowed, '"fork", "cluster"');
  assert.deepEqual(await store.services.list(), []);
});

test('a deploy that no node can take is refused with the reason, and nothing is written', async (t) => {
  const { call, store } = await buildTestApp(t);
  await addNode(store, 'a');
  const { status, json } = await call('PUT', '/v1/services/web', {
    spec: { ...spec, placement: { constraints: ['node.labels.zone == x'] } },
    artifact: null,
  });
  assert.equal(status, 422);
  assert.equal((json as Problem).code, 'PLACEMENT_IMPOSSIBLE');
  assert.match((json as Problem).detail, /zone/);
  assert.deepEqual(await store.services.list(), []);
});

test('a deploy answers with its ids, a repeat with the same key answers the same, and a lost update is refused', async (t) => {
  const { call, store } = await buildTestApp(t);
  await addNode(store, 'a');
  const first = await call('PUT', '/v1/services/web', { spec, artifact: null, idempotencyKey: 'one' });
  assert.equal(first.status, 202);
  const again = await call('PUT', '/v1/services/web', { spec, artifact: null, idempotencyKey: 'one' });
  assert.deepEqual(again, first);
  const lost = await call('PUT', '/v1/services/web', { spec: { ...spec, args: ['x'] }, artifact: null, ifRevision: 0 });
  assert.equal((lost.json as Problem).code, 'REVISION_CONFLICT');
  const view = await call('GET', '/v1/services/web');
  assert.equal((view.json as { revision: { revision: number } }).revision.revision, 1);
});

test('an artifact is taken only whole and with the digest that was announced', async (t) => {
  const { app, token, store } = await buildTestApp(t);
  const bytes = Buffer.from('artifact');
  const digest = createHash('sha256').update(bytes).digest('hex');
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' };
  const wrong = await app.inject({ method: 'PUT', url: `/v1/artifacts/${'0'.repeat(64)}`, headers, payload: bytes });
  assert.equal(wrong.json<Problem>().code, 'ARTIFACT_MISMATCH');
  assert.equal(await store.artifacts.get('0'.repeat(64)), null);
  const right = await app.inject({ method: 'PUT', url: `/v1/artifacts/${digest}`, headers, payload: bytes });
  assert.equal(right.statusCode, 201);
  const content = await app.inject({
    url: `/v1/artifacts/${digest}/content`,
    headers: { authorization: `Bearer ${token}` },
  });
  assert.deepEqual(content.rawPayload, bytes);
});

test('an unknown service, node, deployment, instance, revision or path is named in a 404', async (t) => {
  const { call } = await buildTestApp(t);
  for (const [url, code] of [
    ['/v1/services/nope', 'SERVICE_NOT_FOUND'],
    ['/v1/nodes/nope', 'NODE_NOT_FOUND'],
    ['/v1/deployments/nope', 'DEPLOYMENT_NOT_FOUND'],
    ['/v1/instances/nope', 'INSTANCE_NOT_FOUND'],
    ['/v1/nope', 'ROUTE_NOT_FOUND'],
  ] as const) {
    const { status, json } = await call('GET', url);
    assert.equal(status, 404);
    assert.equal((json as Problem).code, code);
    assert.match((json as Problem).detail, /nope/);
  }
});

test('a join token is shown once, joins a host that proves its key, and is useless once revoked', async (t) => {
  const { call, cluster } = await buildTestApp(t);
  const created = await call('POST', '/v1/join-tokens', { uses: 5 });
  const { id, token } = created.json as { id: string; token: string };
  assert.ok(token.startsWith(`DRVJ-1-${cluster.authority.digest}-${id}-`));
  assert.ok(!JSON.stringify((await call('GET', '/v1/join-tokens')).json).includes(token.split('-').at(-1) as string));
  assert.equal((await call('DELETE', `/v1/join-tokens/${id}`)).status, 204);
  const facts = {
    name: 'h',
    address: '127.0.0.1',
    cores: 1,
    memoryBytes: 1,
    ports: { from: 20_000, to: 20_010 },
    labels: {},
    router: false,
    version: '0',
  };
  const refused = await call('POST', '/v1/nodes', { token, csr: 'not reached', facts });
  assert.ok(['JOIN_TOKEN_INVALID', 'ARGUMENT_INVALID'].includes((refused.json as Problem).code));
});

test('with the store frozen a request is answered 503 with a hint to retry, and the controller answers again afterwards', async (t) => {
  const { app, call, redis, token } = await buildTestApp(t);
  assert.equal((await call('GET', '/v1/services')).status, 200);
  redis.pause();
  const response = await app.inject({ url: '/v1/services', headers: { authorization: `Bearer ${token}` } });
  assert.equal(response.statusCode, 503);
  assert.equal(response.json<Problem>().code, 'STORE_UNREACHABLE');
  assert.equal(response.headers['retry-after'], '1');
  redis.resume();
  assert.equal((await call('GET', '/v1/services')).status, 200);
});
