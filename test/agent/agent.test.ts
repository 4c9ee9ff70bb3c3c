import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../../shared/runtime/free-port.ts';
import { isProcessAlive, startAgent } from '../support/agent-process.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeCluster } from '../support/fake-cluster.ts';
import { startHealthyWeb, web } from '../support/healthy-web.ts';

test('an instance of the plan is started, probed, reported healthy, and goes when the plan lets it go', async (t) => {
  const { cluster, agent, port } = await startHealthyWeb(t);
  const { pid, state } = cluster.status('web-0-a');
  assert.equal(state, 'running');
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), `${pid} 0`);

  cluster.want([{ instanceId: 'web-0-a', service: 'web', port, desired: 'drain' }]);
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port, desired: 'stop' }]);
  await eventually(() => assert.equal(cluster.status('web-0-a').state, 'stopped', agent.log));
  assert.equal(isProcessAlive(pid!), false);
  cluster.want([]);
  await eventually(() => assert.deepEqual(cluster.reports.at(-1)?.instances, []));
  assert.deepEqual(
    cluster.states.get('web-0-a')?.filter((name) => name === 'running' || name === 'stopped'),
    ['running', 'stopped'],
  );
});

test('an agent that was killed adopts its workers within 3 s of its restart, with the same pids, and reports them healthy', async (t) => {
  const { cluster, agent, port, pid } = await startHealthyWeb(t);

  await agent.kill('SIGKILL');
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), `${pid} 0`);
  const before = cluster.reports.length;
  const restartedAt = performance.now();
  agent.start();
  await eventually(() => assert.ok(cluster.reports.length > before, agent.log), { timeoutMs: 10_000 });
  assert.ok(performance.now() - restartedAt < 3_000);
  assert.equal(cluster.status('web-0-a').pid, pid);
  const healths = cluster.reports.slice(before).map(({ instances }) => instances[0]?.status.health);
  assert.deepEqual(new Set(healths), new Set(['healthy']));
});

test('workers that the plan does not know are stopped, and their shims end', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  cluster.addRevision('web', web);
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port: await freePort() }]);
  await eventually(() => assert.equal(cluster.status('web-0-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
  const { pid } = cluster.status('web-0-a');
  cluster.want([]);
  await eventually(() => assert.equal(isProcessAlive(pid!), false));
  await eventually(() => assert.equal(existsSync(join(agent.data, 'bundles/web@1')), false, agent.log));
});

test('an agent whose node was removed stops all that it started, forgets who it was, and ends', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  cluster.addRevision('web', web);
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port: await freePort() }]);
  await eventually(() => assert.equal(cluster.status('web-0-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
  const { pid } = cluster.status('web-0-a');
  cluster.updatePlan({ removed: true, assignments: [] });
  assert.equal(await agent.ended(), 0);
  assert.equal(isProcessAlive(pid!), false);
  assert.equal(existsSync(join(agent.data, 'identity.json')), false);
});
