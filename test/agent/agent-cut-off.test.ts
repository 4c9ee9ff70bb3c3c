import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stopEverything } from '../../agent/stop-everything.ts';
import { isProcessAlive, startAgent } from '../support/agent-process.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeCluster } from '../support/fake-cluster.ts';
import { startHealthyWeb, web } from '../support/healthy-web.ts';
import { ownPort } from '../support/own-port.ts';

test('after a restart nothing is started before a controller has confirmed the plan, and what runs goes on', async (t) => {
  const { cluster, controller, agent, port, pid } = await startHealthyWeb(t);

  await agent.kill('SIGKILL');
  await controller.kill();
  await stopEverything(agent.data);
  assert.equal(isProcessAlive(pid), false);
  agent.start();
  // Several fruitless rounds: many times as long as a start takes.
  await eventually(() => assert.ok(agent.log.split('"no session"').length > 5, agent.log), { timeoutMs: 15_000 });
  await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
  await cluster.startController(Number(new URL(controller.url).port));
  await eventually(async () => assert.match(await (await fetch(`http://127.0.0.1:${port}/`)).text(), /^\d+ 0$/), {
    timeoutMs: 10_000,
  });
});

test('with all controllers gone workers go on, and one that dies is restarted', async (t) => {
  const { cluster, controller, port, pid } = await startHealthyWeb(t);

  await controller.kill();
  process.kill(pid, 'SIGKILL');
  await eventually(async () => {
    const text = await (await fetch(`http://127.0.0.1:${port}/`)).text();
    assert.notEqual(text, `${pid} 0`);
  });
  await cluster.startController(Number(new URL(controller.url).port));
  await eventually(() => assert.equal(cluster.status('web-0-a').restarts, 1), { timeoutMs: 10_000 });
});

test('an agent that loses its controller goes on with another within a second or two', async (t) => {
  const cluster = await startFakeCluster(t);
  const first = await cluster.startController();
  const second = await cluster.startController();
  await startAgent(t, { cluster, controller: first });
  const before = cluster.hellos;
  await first.kill();
  await second.kill();
  const third = await cluster.startController(Number(new URL(second.url).port));
  await eventually(() => assert.ok(cluster.hellos > before), { timeoutMs: 5_000 });
  assert.equal(third.url, second.url);
});

test('a service that must not run cut off is stopped by the clock of its host', async (t) => {
  const cluster = await startFakeCluster(t);
  const controller = await cluster.startController();
  const agent = await startAgent(t, { cluster, controller });
  cluster.addRevision('only', { ...web, placement: { onDisconnect: 'stop', stopAfterMs: 1_500 } });
  cluster.addRevision('web', web);
  const [port, other] = [await ownPort(), await ownPort()];
  cluster.want([
    { instanceId: 'only-0-a', service: 'only', port },
    { instanceId: 'web-0-a', service: 'web', port: other },
  ]);
  await eventually(() => assert.equal(cluster.status('only-0-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
  await eventually(() => assert.equal(cluster.status('web-0-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
  const { pid } = cluster.status('only-0-a');
  await controller.kill();
  await eventually(() => assert.equal(isProcessAlive(pid!), false), { timeoutMs: 10_000 });
  assert.equal(isProcessAlive(cluster.status('web-0-a').pid!), true);
});

test('a disk that does not take the time of the last contact costs no session', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  mkdirSync(join(agent.data, 'contact.json.tmp'));
  cluster.addRevision('only', { ...web, placement: { onDisconnect: 'stop', stopAfterMs: 60_000 } });
  // Of the beats from now on each has a time to be saved.
  await eventually(() => assert.match(agent.log, /the last contact could not be saved/), { timeoutMs: 10_000 });
  const before = cluster.hellos;
  cluster.want([{ instanceId: 'only-0-a', service: 'only', port: await ownPort() }]);
  await eventually(() => assert.equal(cluster.status('only-0-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
  assert.equal(cluster.hellos, before);
  assert.equal(agent.log.split('the last contact could not be saved').length, 2, 'told once');
});

test('a plan of an earlier leader is refused', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  const port = await ownPort();
  cluster.addRevision('web', web);
  cluster.updatePlan({ term: 5 });
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port }]);
  await eventually(() => assert.equal(cluster.status('web-0-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
  cluster.updatePlan({ term: 4, assignments: [] });
  await eventually(() => assert.match(agent.log, /older plan was refused/));
  assert.equal(isProcessAlive(cluster.status('web-0-a').pid!), true);
});

test('a replica that is behind is asked again after a restart until its plan can be taken', async (t) => {
  const { cluster, agent } = await startHealthyWeb(t);
  cluster.updatePlan({ term: 5 });
  const { plan } = cluster;
  await eventually(() => assert.equal(cluster.reports.at(-1)?.planVersion, plan.version), { timeoutMs: 10_000 });

  await agent.kill('SIGKILL');
  cluster.plan = { ...plan, term: 4 };
  agent.start();
  await eventually(() => assert.match(agent.log, /an older plan was refused/), { timeoutMs: 10_000 });
  // The same version, as after a change of leader, so only asking again can bring it.
  cluster.plan = { ...plan, term: 5, assignments: [] };
  await eventually(() => assert.deepEqual(cluster.reports.at(-1)?.instances, []), { timeoutMs: 10_000 });
});
