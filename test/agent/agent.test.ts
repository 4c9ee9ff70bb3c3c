import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { create } from 'tar';
import { stopEverything } from '../../agent/stop-everything.ts';
import { isProcessAlive, startAgent, workersDirectory } from '../support/agent-process.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeCluster } from '../support/fake-cluster.ts';
import { freePort } from '../support/free-port.ts';
import { tempDirectory } from '../support/temp-directory.ts';

const web = { script: 'serves-http.mjs', cwd: workersDirectory, health: { probe: { type: 'http' as const } } };

test('an instance of the plan is started, probed, reported healthy, and goes when the plan lets it go', async (t) => {
  const cluster = await startFakeCluster(t);
  const controller = await cluster.startController();
  const agent = await startAgent(t, { cluster, controller });
  const port = await freePort();
  cluster.addRevision('web', web);
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port }]);
  await eventually(() => assert.equal(cluster.status('web-0-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
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
  const cluster = await startFakeCluster(t);
  const controller = await cluster.startController();
  const agent = await startAgent(t, { cluster, controller });
  const port = await freePort();
  cluster.addRevision('web', web);
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port }]);
  await eventually(() => assert.equal(cluster.status('web-0-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
  const { pid } = cluster.status('web-0-a');

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

test('after a restart nothing is started before a controller has confirmed the plan, and what runs goes on', async (t) => {
  const cluster = await startFakeCluster(t);
  const controller = await cluster.startController();
  const agent = await startAgent(t, { cluster, controller });
  const port = await freePort();
  cluster.addRevision('web', web);
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port }]);
  await eventually(() => assert.equal(cluster.status('web-0-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
  const { pid } = cluster.status('web-0-a');

  await agent.kill('SIGKILL');
  await controller.kill();
  await stopEverything(agent.data);
  assert.equal(isProcessAlive(pid!), false);
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
  const cluster = await startFakeCluster(t);
  const controller = await cluster.startController();
  const agent = await startAgent(t, { cluster, controller });
  const port = await freePort();
  cluster.addRevision('web', web);
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port }]);
  await eventually(() => assert.equal(cluster.status('web-0-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
  const { pid } = cluster.status('web-0-a');

  await controller.kill();
  process.kill(pid!, 'SIGKILL');
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

test('a worker that crashes at its start fails its instance at once, with its last lines', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  cluster.addRevision('bad', { ...web, script: 'crashes-at-start.mjs' });
  cluster.want([{ instanceId: 'bad-0-a', service: 'bad', port: await freePort(), failFast: true }]);
  await eventually(() => assert.equal(cluster.status('bad-0-a').state, 'failed', agent.log), { timeoutMs: 10_000 });
  const { reason, lastExit, restarts } = cluster.status('bad-0-a');
  assert.match(reason, /exited with code 7/);
  assert.equal(restarts, 0);
  assert.ok(lastExit?.lastLines.includes('cannot reach the database'));
});

test('a worker that never listens fails its instance when its time is up, and the reason names the port', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  const port = await freePort();
  cluster.addRevision('mute', { ...web, script: 'never-ready.mjs', listenTimeoutMs: 400 });
  cluster.want([{ instanceId: 'mute-0-a', service: 'mute', port, failFast: true }]);
  await eventually(() => assert.equal(cluster.status('mute-0-a').state, 'failed', agent.log), { timeoutMs: 10_000 });
  assert.match(cluster.status('mute-0-a').reason, new RegExp(`did not listen on port ${port} within 400 ms`));
});

test('a worker whose probe fails is unhealthy with the answer, and is restarted when that lasts', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  cluster.addRevision('sick', {
    ...web,
    script: 'turns-unhealthy.mjs',
    env: { HEALTHY_MS: '300' },
    health: { probe: { type: 'http' }, intervalMs: 100, failures: 2, restartAfterMs: 300 },
  });
  cluster.want([{ instanceId: 'sick-0-a', service: 'sick', port: await freePort() }]);
  await eventually(() => assert.equal(cluster.status('sick-0-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
  const { pid } = cluster.status('sick-0-a');
  await eventually(() => assert.equal(cluster.status('sick-0-a').health, 'unhealthy'));
  await eventually(() => assert.match(cluster.status('sick-0-a').reason, /answered 503: .*database/), {
    intervalMs: 5,
  });
  await eventually(() => assert.notEqual(cluster.status('sick-0-a').pid ?? pid, pid));
});

test('an instance whose port is taken by a stranger fails with its pid, and the stranger is left alone', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  const stranger = createServer();
  stranger.listen(0, '127.0.0.1');
  await once(stranger, 'listening');
  t.after(() => void stranger.close());
  const { port } = stranger.address() as AddressInfo;
  cluster.addRevision('web', web);
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port }]);
  await eventually(() => assert.equal(cluster.status('web-0-a').state, 'failed', agent.log), { timeoutMs: 10_000 });
  assert.equal(
    cluster.status('web-0-a').reason,
    `infrastructure: port ${port} is taken by another process (pid ${process.pid})`,
  );
  assert.ok(stranger.listening);
});

test('a script that is not there fails the instance before anything is started', async (t) => {
  const cluster = await startFakeCluster(t);
  await startAgent(t, { cluster, controller: await cluster.startController() });
  cluster.addRevision('web', { ...web, script: 'not-there.mjs' });
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port: await freePort() }]);
  await eventually(() => assert.equal(cluster.status('web-0-a').state, 'failed'), { timeoutMs: 10_000 });
  assert.match(cluster.status('web-0-a').reason, /cannot find script .*not-there\.mjs/);
});

test('when its shim is killed an instance gets a new worker, after the old one is gone', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  const port = await freePort();
  cluster.addRevision('web', web);
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port }]);
  await eventually(() => assert.equal(cluster.status('web-0-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
  const { pid } = cluster.status('web-0-a');
  const shim = JSON.parse(readFileSync(join(agent.data, 'bundles/web@1/shim.json'), 'utf8')) as { pid: number };
  process.kill(shim.pid, 'SIGKILL');
  await eventually(
    () => {
      const status = cluster.status('web-0-a');
      assert.equal(status.health, 'healthy', agent.log);
      assert.notEqual(status.pid, pid);
      assert.equal(status.restarts, 1);
    },
    { timeoutMs: 15_000 },
  );
  assert.equal(isProcessAlive(pid!), false);
  assert.deepEqual(cluster.states.get('web-0-a')?.slice(-1), ['running']);
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

test('a service that must not run cut off is stopped by the clock of its host', async (t) => {
  const cluster = await startFakeCluster(t);
  const controller = await cluster.startController();
  const agent = await startAgent(t, { cluster, controller });
  cluster.addRevision('only', { ...web, placement: { onDisconnect: 'stop', stopAfterMs: 1_500 } });
  cluster.addRevision('web', web);
  const [port, other] = [await freePort(), await freePort()];
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

test('a plan of an earlier leader is refused', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  const port = await freePort();
  cluster.addRevision('web', web);
  cluster.updatePlan({ term: 5 });
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port }]);
  await eventually(() => assert.equal(cluster.status('web-0-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
  cluster.updatePlan({ term: 4, assignments: [] });
  await eventually(() => assert.match(agent.log, /older plan was refused/));
  assert.equal(isProcessAlive(cluster.status('web-0-a').pid!), true);
});

test('log lines are read from the host, and nothing is lost when files are rotated', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  cluster.addRevision('web', web);
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port: await freePort() }]);
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

test('a process that has the pid of a recorded worker, and is another one, is not touched', async (t) => {
  const cluster = await startFakeCluster(t);
  const controller = await cluster.startController();
  const agent = await startAgent(t, { cluster, controller });
  cluster.addRevision('web', web);
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port: await freePort() }]);
  await eventually(() => assert.equal(cluster.status('web-0-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
  const { pid } = cluster.status('web-0-a');
  await agent.kill('SIGKILL');
  const directory = join(agent.data, 'bundles/web@1');
  const shim = JSON.parse(readFileSync(join(directory, 'shim.json'), 'utf8')) as { pid: number };
  process.kill(shim.pid, 'SIGKILL');
  process.kill(pid!, 'SIGKILL');
  const stranger = spawn('sleep', ['60']);
  t.after(() => void stranger.kill('SIGKILL'));
  await eventually(() => isProcessAlive(stranger.pid!));
  for (const name of ['shim.json', 'workers/web-0-a.json']) {
    const path = join(directory, name);
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(/"pid":\d+/g, `"pid":${stranger.pid}`));
  }
  agent.start();
  await eventually(
    () => {
      assert.equal(cluster.status('web-0-a').health, 'healthy', agent.log);
      assert.notEqual(cluster.status('web-0-a').pid, pid);
    },
    { timeoutMs: 15_000 },
  );
  assert.equal(isProcessAlive(stranger.pid!), true);
});

test('a router is launched, outlives its agent, applies the table, and its acknowledgement is reported', async (t) => {
  const cluster = await startFakeCluster(t);
  const controller = await cluster.startController();
  const listen = `127.0.0.1:${await freePort()}`;
  const agent = await startAgent(t, { cluster, controller, options: { router: listen } });
  const port = await freePort();
  cluster.addRevision('web', web);
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port }]);
  await eventually(() => assert.equal(cluster.status('web-0-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
  const { pid } = cluster.status('web-0-a');
  const endpoint = { instanceId: 'web-0-a', revision: 1, address: '127.0.0.1', port, weight: 1 };
  const services = [{ name: 'web', routes: [{ path: '/' }], endpoints: [endpoint] }];
  cluster.updatePlan({ routes: { epoch: 7, generation: 'g1', services } });
  await eventually(() => assert.equal(cluster.reports.at(-1)?.router?.epoch, 7, agent.log), { timeoutMs: 10_000 });
  assert.equal(await (await fetch(`http://${listen}/`)).text(), `${pid} 0`);

  await agent.kill('SIGKILL');
  assert.equal(await (await fetch(`http://${listen}/`)).text(), `${pid} 0`);
  agent.start();
  cluster.updatePlan({ routes: { epoch: 8, generation: 'g1', services } });
  await eventually(() => assert.equal(cluster.reports.at(-1)?.router?.epoch, 8, agent.log), { timeoutMs: 10_000 });
});

test('an artifact is fetched, unpacked and run, and workers get no secret of the agent', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  const directory = tempDirectory(t);
  writeFileSync(
    join(directory, 'server.mjs'),
    `import http from 'node:http';
     http.createServer((q, s) => s.end(JSON.stringify(process.env))).listen(process.env.PORT, process.env.HOST);`,
  );
  const file = join(tempDirectory(t), 'artifact.tgz');
  await create({ file, cwd: directory, gzip: true }, ['.']);
  const bytes = readFileSync(file);
  const artifact = createHash('sha256').update(bytes).digest('hex');
  cluster.artifacts.set(artifact, bytes);
  cluster.addRevision('app', { script: 'server.mjs', env: { COLOUR: 'blue' }, expectListen: true }, { artifact });
  const port = await freePort();
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
  const port = await freePort();
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
