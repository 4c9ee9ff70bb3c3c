import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type AgentProcess, isProcessAlive, startAgent } from '../support/agent-process.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeCluster } from '../support/fake-cluster.ts';
import { startHealthyWeb, web } from '../support/healthy-web.ts';
import { ownPort } from '../support/own-port.ts';

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
  await eventually(() => assert.ok(cluster.reports.length > before, agent.log), { timeoutMs: 60_000 });
  const tookMs = performance.now() - restartedAt;
  // On a machine that is busy with other things a process takes longer than that to start at all.
  assert.ok(
    tookMs < Math.max(3_000, 2 * agent.connectedAfterMs),
    `${tookMs} ms, ${agent.connectedAfterMs} ms at first`,
  );
  assert.equal(cluster.status('web-0-a').pid, pid);
  const healths = cluster.reports.slice(before).map(({ instances }) => instances[0]?.status.health);
  assert.deepEqual(new Set(healths), new Set(['healthy']));
});

test('workers that the plan does not know are stopped, and their shims end', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  cluster.addRevision('web', web);
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port: await ownPort() }]);
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
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port: await ownPort() }]);
  await eventually(() => assert.equal(cluster.status('web-0-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
  const { pid } = cluster.status('web-0-a');
  cluster.updatePlan({ removed: true, assignments: [] });
  assert.equal(await agent.ended(), 0);
  assert.equal(isProcessAlive(pid!), false);
  assert.equal(existsSync(join(agent.data, 'identity.json')), false);
});

test('a controller that is missing in the newest list is found all the same when those on the list are gone', async (t) => {
  const cluster = await startFakeCluster(t);
  const first = await cluster.startController();
  const agent = await startAgent(t, { cluster, controller: first });
  const second = await cluster.startController();
  const plan = () => JSON.parse(readFileSync(join(agent.data, 'plan.json'), 'utf8')) as { controllers: string[] };
  await eventually(() => assert.deepEqual(plan().controllers, [first.url, second.url]));
  // As from a controller that has not heard of the other since that one came back.
  cluster.updatePlan({ controllers: [first.url] });
  await eventually(() => assert.deepEqual(plan().controllers, [first.url]));
  const before = cluster.hellos;
  await first.kill();
  await eventually(() => assert.ok(cluster.hellos > before, agent.log), { timeoutMs: 10_000 });

  await agent.kill();
  agent.start();
  await eventually(() => assert.ok(cluster.hellos > before + 1, agent.log), { timeoutMs: 10_000 });
});

test('a controller that is added while no plan changes is known from the next heartbeat on', async (t) => {
  const cluster = await startFakeCluster(t);
  const controller = await cluster.startController();
  const agent = await startAgent(t, { cluster, controller });
  const added = 'https://127.0.0.1:1';
  cluster.controllersInHeartbeats = [controller.url, added];
  await eventually(() => assert.deepEqual(remembered(agent), [controller.url, added]));
});

test('a host whose controllers have all moved finds one again where it is told to look, and remembers it', async (t) => {
  const cluster = await startFakeCluster(t);
  const first = await cluster.startController();
  const agent = await startAgent(t, { cluster, controller: first });
  await agent.kill();
  await first.kill();
  const moved = await cluster.startController();
  const before = cluster.hellos;
  agent.start({ join: { controllerUrl: moved.url } });
  await eventually(() => assert.ok(cluster.hellos > before, agent.log), { timeoutMs: 10_000 });
  await eventually(() => assert.equal(remembered(agent)[0], moved.url));

  await agent.kill();
  agent.start({ join: undefined });
  await eventually(() => assert.ok(cluster.hellos > before + 1, agent.log), { timeoutMs: 10_000 });
});

test('an agent starts though the disk does not take who it is', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  await agent.kill();
  mkdirSync(join(agent.data, 'agent.json.tmp'));
  rmSync(join(agent.data, 'artifacts/node_modules/drover/package.json'));
  mkdirSync(join(agent.data, 'artifacts/node_modules/drover/package.json.tmp'));
  const before = cluster.hellos;
  agent.start();
  await eventually(() => assert.ok(cluster.hellos > before, agent.log), { timeoutMs: 10_000 });
});

function remembered({ data }: AgentProcess): string[] {
  return (JSON.parse(readFileSync(join(data, 'identity.json'), 'utf8')) as { controllers: string[] }).controllers;
}
