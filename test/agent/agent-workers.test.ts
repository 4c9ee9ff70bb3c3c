import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { create } from 'tar';
import { startAgent } from '../support/agent-process.ts';
import { eventually } from '../support/eventually.ts';
import { type FakeCluster, startFakeCluster } from '../support/fake-cluster.ts';
import { web } from '../support/healthy-web.ts';
import type { Lifetime } from '../support/lifetime.ts';
import { ownPort } from '../support/own-port.ts';
import { tempDirectory } from '../support/temp-directory.ts';

test('log lines are read from the host, and nothing is lost when files are rotated', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  cluster.addRevision('web', web);
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port: await ownPort() }]);
  await eventually(() => assert.equal(cluster.status('web-0-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
  const query = {
    instanceId: 'web-0-a',
    service: 'web',
    stream: 'out',
    position: null,
    file: null,
    lines: 10,
  } as const;
  await eventually(async () => assert.deepEqual((await cluster.readLogs(query)).lines, ['listening']));
  await assert.rejects(cluster.readLogs({ ...query, service: '../..' }), /ARGUMENT_INVALID/);
});

test('a router is launched, outlives its agent, applies the table, and its acknowledgement is reported', async (t) => {
  const cluster = await startFakeCluster(t);
  const controller = await cluster.startController();
  const listen = `127.0.0.1:${await ownPort()}`;
  const agent = await startAgent(t, { cluster, controller, options: { router: listen } });
  const port = await ownPort();
  cluster.addRevision('web', web);
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port }]);
  await eventually(() => assert.equal(cluster.status('web-0-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
  const { pid } = cluster.status('web-0-a');
  const endpoint = { instanceId: 'web-0-a', revision: 1, address: '127.0.0.1', port, weight: 1 };
  const services = [{ name: 'web', routes: [{ path: '/' }], endpoints: [endpoint] }];
  cluster.updatePlan({ routes: { epoch: 7, generation: 'g1', services } });
  await eventually(() => assert.equal(cluster.reports.at(-1)?.router?.epoch, 7, agent.log), { timeoutMs: 10_000 });
  assert.equal(await (await fetch(`http://${listen}/`)).text(), `${pid} 0`);

  const record = () => readFileSync(join(agent.data, 'router/router.json'), 'utf8');
  const before = record();
  await agent.kill('SIGKILL');
  assert.equal(await (await fetch(`http://${listen}/`)).text(), `${pid} 0`);
  agent.start();
  cluster.updatePlan({ routes: { epoch: 8, generation: 'g1', services } });
  await eventually(() => assert.equal(cluster.reports.at(-1)?.router?.epoch, 8, agent.log), { timeoutMs: 10_000 });
  assert.equal(record(), before, 'the same process');
});

test('an agent that wants its router elsewhere, or none, leaves none where an earlier one had it', async (t) => {
  const cluster = await startFakeCluster(t);
  const controller = await cluster.startController();
  const [first, second] = [`127.0.0.1:${await ownPort()}`, `127.0.0.1:${await ownPort()}`];
  const agent = await startAgent(t, { cluster, controller, options: { router: first } });
  const listens = (address: string) => fetch(`http://${address}/`).then(({ status }) => status === 404);
  await eventually(() => listens(first), { timeoutMs: 10_000 });

  await agent.kill('SIGKILL');
  agent.start({ router: second });
  await eventually(() => listens(second), { timeoutMs: 10_000 });
  await assert.rejects(listens(first));
  await eventually(() => assert.equal(cluster.reports.at(-1)?.router?.listen, second));

  await agent.kill('SIGKILL');
  const before = cluster.hellos;
  agent.start({ router: undefined });
  await eventually(() => assert.ok(cluster.hellos > before, agent.log), { timeoutMs: 10_000 });
  await assert.rejects(listens(second));
});

test('a host whose list lacks the controller that it speaks with asks that one too, and names it to workers', async (t) => {
  const cluster = await startFakeCluster(t);
  const controller = await cluster.startController();
  const agent = await startAgent(t, { cluster, controller });
  // As from a store that has not heard of this controller yet.
  const listed = 'https://127.0.0.1:1';
  cluster.updatePlan({ controllers: [listed], coordination: { redisUrl: null, prefix: 'p', apiToken: 't' } });
  const artifact = await packServer(t, cluster, 'process.env.DROVER_URL');
  cluster.addRevision('app', { script: 'server.mjs', expectListen: true }, { artifact });
  const port = await ownPort();
  cluster.want([{ instanceId: 'app-0-a', service: 'app', port }]);
  await eventually(() => assert.equal(cluster.status('app-0-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), `${listed},${controller.url}`);
});

test('an artifact is fetched, unpacked and run, and workers get no secret of the agent', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  const artifact = await packServer(t, cluster, 'JSON.stringify(process.env)');
  cluster.addRevision('app', { script: 'server.mjs', env: { COLOUR: 'blue' }, expectListen: true }, { artifact });
  const port = await ownPort();
  cluster.want([{ instanceId: 'app-3-a', service: 'app', port, slot: 3 }]);
  await eventually(() => assert.equal(cluster.status('app-3-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
  const seen = (await (await fetch(`http://127.0.0.1:${port}/`)).json()) as Record<string, string>;
  const { COLOUR, HOST, PORT, NODE_APP_INSTANCE, DROVER_SERVICE, DROVER_REVISION, DROVER_SLOT, DROVER_NODE } = seen;
  assert.deepEqual(
    { COLOUR, HOST, PORT, NODE_APP_INSTANCE, DROVER_SERVICE, DROVER_REVISION, DROVER_SLOT, DROVER_NODE },
    {
      ...{ COLOUR: 'blue', HOST: '127.0.0.1', PORT: `${port}`, NODE_APP_INSTANCE: '3' },
      ...{ DROVER_SERVICE: 'app', DROVER_REVISION: '1', DROVER_SLOT: '3', DROVER_NODE: 'host-a' },
    },
  );
  assert.equal(seen.AGENT_SECRET, undefined);
  assert.equal(statSync(join(agent.data, 'plan.json')).mode & 0o777, 0o600);
  assert.equal(statSync(join(agent.data, 'bundles/app@1/bundle.json')).mode & 0o777, 0o600);
});

test('two workers in cluster mode share a port, and one drains while the other serves', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  const port = await ownPort();
  cluster.addRevision('web', { ...web, execMode: 'cluster' });
  const [first, second] = ['web-0-a', 'web-1-a'].map((instanceId, slot) => ({
    instanceId,
    service: 'web',
    port,
    slot,
  }));
  cluster.want([first!, second!]);
  for (const id of ['web-0-a', 'web-1-a']) {
    await eventually(() => assert.equal(cluster.status(id).health, 'healthy', agent.log), { timeoutMs: 10_000 });
  }
  const remaining = cluster.status('web-1-a').pid;
  cluster.want([{ ...first!, desired: 'drain' }, second!]);
  await eventually(() => assert.equal(cluster.status('web-0-a').drained, true, agent.log));
  for (let turn = 0; turn < 10; turn += 1) {
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), `${remaining} 1`);
  }
  cluster.want([{ ...first!, desired: 'stop' }, second!]);
  await eventually(() => assert.equal(cluster.status('web-0-a').state, 'stopped', agent.log));
});

/** An artifact with a `server.mjs` that answers what `expression` is there; its digest. */
async function packServer(t: Lifetime, cluster: FakeCluster, expression: string): Promise<string> {
  const directory = tempDirectory(t);
  writeFileSync(
    join(directory, 'server.mjs'),
    `import http from 'node:http';
     http.createServer((q, s) => s.end(${expression})).listen(process.env.PORT, process.env.HOST);`,
  );
  const file = join(tempDirectory(t), 'artifact.tgz');
  await create({ file, cwd: directory, gzip: true }, ['.']);
  const bytes = readFileSync(file);
  const artifact = createHash('sha256').update(bytes).digest('hex');
  cluster.artifacts.set(artifact, bytes);
  return artifact;
}
