import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { isProcessAlive, startAgent } from '../support/agent-process.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeCluster } from '../support/fake-cluster.ts';
import { web } from '../support/healthy-web.ts';
import { ownPort } from '../support/own-port.ts';

test('a worker that crashes at its start fails its instance at once, with its last lines', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  cluster.addRevision('bad', { ...web, script: 'crashes-at-start.mjs' });
  cluster.want([{ instanceId: 'bad-0-a', service: 'bad', port: await ownPort(), failFast: true }]);
  await eventually(() => assert.equal(cluster.status('bad-0-a').state, 'failed', agent.log), { timeoutMs: 10_000 });
  const { reason, lastExit, restarts } = cluster.status('bad-0-a');
  assert.match(reason, /exited with code 7/);
  assert.equal(restarts, 0);
  assert.ok(lastExit?.lastLines.includes('cannot reach the database'));
});

test('a worker that never listens fails its instance when its time is up, and the reason names the port', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  const port = await ownPort();
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
  cluster.want([{ instanceId: 'sick-0-a', service: 'sick', port: await ownPort() }]);
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
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port: await ownPort() }]);
  await eventually(() => assert.equal(cluster.status('web-0-a').state, 'failed'), { timeoutMs: 10_000 });
  assert.match(cluster.status('web-0-a').reason, /cannot find script .*not-there\.mjs/);
});

test('a name without a path is a command that PATH resolves, with a file to go by or without', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  cluster.addRevision('job', { ...web, script: 'sleep', args: ['100'], expectListen: false, routes: [] });
  cluster.want([{ instanceId: 'job-0-a', service: 'job', port: null }]);
  await eventually(() => assert.equal(cluster.status('job-0-a').state, 'running', agent.log), { timeoutMs: 10_000 });
});

test('when its shim is killed an instance gets a new worker, after the old one is gone', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  const port = await ownPort();
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

test('a process that has the pid of a recorded worker, and is another one, is not touched', async (t) => {
  const cluster = await startFakeCluster(t);
  const controller = await cluster.startController();
  const agent = await startAgent(t, { cluster, controller });
  cluster.addRevision('web', web);
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port: await ownPort() }]);
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
