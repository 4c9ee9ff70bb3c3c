import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { test } from 'node:test';
import { openDataDirectory } from '../../../agent/data-paths.ts';
import { loadIdentity } from '../../../agent/join/identity.ts';
import { join } from '../../../agent/join/join.ts';
import { runAgent } from '../../../agent/run-agent.ts';
import { formatJoinToken } from '../../../shared/contracts/join-token.ts';
import { startAgent } from '../../support/agent-process.ts';
import { startFakeCluster } from '../../support/fake-cluster.ts';
import { ownPort } from '../../support/own-port.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

const facts = {
  name: 'host-a',
  address: '127.0.0.1',
  cores: 2,
  memoryBytes: 1,
  ports: { from: 20_000, to: 20_999 },
  labels: {},
  router: false,
  version: '0.1.0',
};
const sink = { write: () => true };

test('a host that joins has its identity and key on disk, readable by its user only', async (t) => {
  const cluster = await startFakeCluster(t);
  const { url } = await cluster.startController();
  const paths = openDataDirectory(tempDirectory(t));
  const identity = await join({ controllerUrl: url, token: cluster.token, facts, paths });
  assert.equal(identity.nodeId, cluster.nodeId);
  assert.deepEqual(loadIdentity(paths), identity);
  for (const path of [paths.key, paths.identity, paths.certificate]) assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.match(readFileSync(paths.key, 'utf8'), /BEGIN PRIVATE KEY/);
});

test('an identity that is there and cannot be read is no reason to join as another node', async (t) => {
  const cluster = await startFakeCluster(t);
  const { url } = await cluster.startController();
  const paths = openDataDirectory(tempDirectory(t));
  // Not to be read by anybody, whoever runs this.
  mkdirSync(paths.identity);
  const input = { dataDirectory: paths.root, join: { controllerUrl: url, token: cluster.token } };
  await assert.rejects(runAgent(input, t.signal, sink), { code: 'FILE_INVALID' });
  assert.deepEqual(readdirSync(paths.root).sort(), ['identity.json', 'run']);
});

test('a controller whose authority is not the one of the token is refused, and nothing is written', async (t) => {
  const cluster = await startFakeCluster(t);
  const other = await startFakeCluster(t);
  const { url } = await other.startController();
  const paths = openDataDirectory(tempDirectory(t));
  await assert.rejects(join({ controllerUrl: url, token: cluster.token, facts, paths }), { code: 'CA_MISMATCH' });
  assert.deepEqual(readdirSync(paths.root), ['run']);
});

test('an authority that others know too does not help a controller that does not hold its key', async (t) => {
  const cluster = await startFakeCluster(t);
  const impostor = await startFakeCluster(t);
  const { url } = await impostor.startController();
  impostor.showAuthorityOf(cluster);
  const paths = openDataDirectory(tempDirectory(t));
  await assert.rejects(join({ controllerUrl: url, token: cluster.token, facts, paths }), {
    code: 'CONTROLLER_UNREACHABLE',
  });
  assert.deepEqual(readdirSync(paths.root), ['run']);
});

test('a refused token, a malformed token and a controller that is not there are told apart', async (t) => {
  const cluster = await startFakeCluster(t);
  const { url } = await cluster.startController();
  const paths = openDataDirectory(tempDirectory(t));
  const unknown = formatJoinToken({ caDigest: cluster.digest, id: 'unknown1', secret: 'x'.repeat(32) });
  const refused = join({ controllerUrl: url, token: unknown, facts, paths });
  await assert.rejects(refused, { code: 'JOIN_TOKEN_INVALID', message: 'The join token is not known' });
  await assert.rejects(join({ controllerUrl: url, token: 'nonsense', facts, paths }), { code: 'JOIN_TOKEN_INVALID' });
  const nobody = `https://127.0.0.1:${await ownPort()}`;
  await assert.rejects(join({ controllerUrl: nobody, token: cluster.token, facts, paths }), {
    code: 'CONTROLLER_UNREACHABLE',
  });
  assert.equal(loadIdentity(paths), null);
});

test('a second agent on the same data directory is refused, and a token of another cluster too', async (t) => {
  const cluster = await startFakeCluster(t);
  const other = await startFakeCluster(t);
  const controller = await cluster.startController();
  const agent = await startAgent(t, { cluster, controller });
  const { signal } = new AbortController();
  const options = { dataDirectory: agent.data };
  await assert.rejects(runAgent(options, signal, sink), {
    code: 'NODE_ALREADY_JOINED',
    message: new RegExp(`pid ${agent.pid}`),
  });
  assert.equal(await agent.kill('SIGTERM'), 0);
  const foreign = { ...options, join: { controllerUrl: controller.url, token: other.token } };
  await assert.rejects(runAgent(foreign, signal, sink), {
    code: 'NODE_ALREADY_JOINED',
    message: new RegExp(`node ${cluster.nodeId} of another cluster`),
  });
});

test('a host that has not joined and has no token is told how to join', async (t) => {
  const { signal } = new AbortController();
  const dataDirectory = joinPath(tempDirectory(t), 'data');
  await assert.rejects(runAgent({ dataDirectory }, signal, sink), {
    code: 'REQUIREMENT_MISSING',
    message: /drover token create/,
  });
});
