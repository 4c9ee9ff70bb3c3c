import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { openDataDirectory } from '../../../agent/data-paths.ts';
import { join } from '../../../agent/join/join.ts';
import { requestJson } from '../../../agent/request-json.ts';
import type { JoinToken } from '../../../shared/contracts/entities.ts';
import type { Problem } from '../../../shared/contracts/problem.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import { buildTestApp } from './build-test-app.ts';

const facts = {
  ...{ name: 'h', address: '127.0.0.1', cores: 1, memoryBytes: 1, labels: {}, router: false, version: '0' },
  ports: { from: 20_000, to: 20_010 },
};

test('a host with a bad certificate request does not join, and the token keeps its use', async (t) => {
  const { call } = await buildTestApp(t);
  const { token } = (await call('POST', '/v1/join-tokens', { uses: 1 })).json as { token: string };
  const refused = await call('POST', '/v1/nodes', { token, csr: 'none', facts });
  assert.equal((refused.json as Problem).code, 'ARGUMENT_INVALID');
  assert.equal((await tokens(call))[0]?.usesLeft, 1);
  assert.deepEqual((await call('GET', '/v1/nodes')).json, []);
});

test('the certificate request of a stranger without a good token is not even read', async (t) => {
  const { call } = await buildTestApp(t);
  const { token } = (await call('POST', '/v1/join-tokens', { uses: 1 })).json as { token: string };
  const guess = token.slice(0, -4) + (token.endsWith('0000') ? '1111' : '0000');
  const refused = await call('POST', '/v1/nodes', { token: guess, csr: 'none', facts });
  assert.equal((refused.json as Problem).code, 'JOIN_TOKEN_INVALID');
});

test('a token of one use joins one host, however many ask at once', async (t) => {
  const { call, url } = await listen(t);
  const { token } = (await call('POST', '/v1/join-tokens', { uses: 1 })).json as { token: string };
  const tries = [0, 1, 2].map(() =>
    join({ controllerUrl: url, token, facts, paths: openDataDirectory(tempDirectory(t)) }),
  );
  const outcomes = await Promise.allSettled(tries);
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'JOIN_TOKEN_INVALID');
  }
  assert.equal(((await call('GET', '/v1/nodes')).json as unknown[]).length, 1);
});

test('a node reads artifacts with its certificate, and nothing else; once removed it reads nothing', async (t) => {
  const { app, call, url, token } = await listen(t);
  const created = (await call('POST', '/v1/join-tokens', {})).json as { token: string };
  const identity = await join({
    controllerUrl: url,
    token: created.token,
    facts,
    paths: openDataDirectory(tempDirectory(t)),
  });
  const bytes = Buffer.from('artifact');
  const digest = createHash('sha256').update(bytes).digest('hex');
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' };
  await app.inject({ method: 'PUT', url: `/v1/artifacts/${digest}`, headers, payload: bytes });

  const tls = { ca: identity.authority, cert: identity.certificate, key: identity.key };
  const read = (path: string) => requestJson({ url: new URL(path, url), method: 'GET', tls });
  const found = (await read(`/v1/artifacts/${digest}`)) as { bytes: number };
  assert.equal(found.bytes, bytes.length);
  await assert.rejects(read('/v1/services'), { code: 'TOKEN_MISSING' });
  await assert.rejects(read('/v1/join-tokens'), { code: 'TOKEN_MISSING' });

  assert.equal((await call('DELETE', `/v1/nodes/${identity.nodeId}`)).status, 204);
  await assert.rejects(read(`/v1/artifacts/${digest}`), { code: 'CERTIFICATE_INVALID' });
  await assert.rejects(read(`/v1/artifacts/${digest}/content`), { code: 'CERTIFICATE_INVALID' });
});

async function tokens(call: Awaited<ReturnType<typeof buildTestApp>>['call']): Promise<JoinToken[]> {
  return (await call('GET', '/v1/join-tokens')).json as JoinToken[];
}

async function listen(t: Lifetime) {
  const built = await buildTestApp(t);
  built.app.server.listen(0, '127.0.0.1');
  await once(built.app.server, 'listening');
  return { ...built, url: `https://127.0.0.1:${(built.app.server.address() as AddressInfo).port}` };
}
