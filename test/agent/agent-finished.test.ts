import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isProcessAlive, startAgent, workersDirectory } from '../support/agent-process.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeCluster } from '../support/fake-cluster.ts';

test('a program that ends with autorestart off, or with a stop exit code, has finished and is not run again', async (t) => {
  const cluster = await startFakeCluster(t);
  const agent = await startAgent(t, { cluster, controller: await cluster.startController() });
  const once = { cwd: workersDirectory, script: 'ends-by-itself.mjs' };
  cluster.addRevision('once', { ...once, restart: { autorestart: false } });
  cluster.addRevision('code', { ...once, restart: { stopExitCodes: [0] } });
  cluster.want([
    { instanceId: 'once-0-a', service: 'once', port: null, failFast: true },
    { instanceId: 'code-0-a', service: 'code', port: null },
  ]);
  for (const [id, why] of [
    ['once-0-a', /autorestart is off: exited with code 0/],
    ['code-0-a', /stop_exit_codes: exited with code 0/],
  ] as const) {
    await eventually(() => assert.equal(cluster.statuses.get(id)?.state, 'stopped', agent.log), { timeoutMs: 10_000 });
    const { finished, lastExit, reason, restarts } = cluster.status(id);
    assert.deepEqual([finished, lastExit?.code, restarts], [true, 0, 0]);
    assert.match(reason, why);
  }
});

test('what finished while no agent was there is not run a second time, though its shim has ended meanwhile', async (t) => {
  const cluster = await startFakeCluster(t);
  const controller = await cluster.startController();
  const agent = await startAgent(t, { cluster, controller });
  cluster.addRevision('job', {
    ...{ cwd: workersDirectory, script: 'sleep', args: ['100'], expectListen: false },
    restart: { autorestart: false },
  });
  cluster.want([{ instanceId: 'job-0-a', service: 'job', port: null }]);
  await eventually(() => assert.equal(cluster.statuses.get('job-0-a')?.state, 'running', agent.log), {
    timeoutMs: 10_000,
  });
  const { pid } = cluster.status('job-0-a');
  const directory = join(agent.data, 'bundles/job@1');
  const shim = JSON.parse(readFileSync(join(directory, 'shim.json'), 'utf8')) as { pid: number };
  await agent.kill('SIGKILL');
  process.kill(pid!, 'SIGKILL');
  await eventually(() => assert.ok(existsSync(join(directory, 'exits.jsonl'))));
  process.kill(shim.pid, 'SIGTERM');
  await eventually(() => assert.equal(isProcessAlive(shim.pid), false));
  agent.start();
  await eventually(() => assert.equal(cluster.status('job-0-a').state, 'stopped', agent.log), { timeoutMs: 10_000 });
  const { finished, lastExit, reason } = cluster.status('job-0-a');
  assert.deepEqual([finished, lastExit?.signal], [true, 'SIGKILL']);
  assert.match(reason, /was ended by SIGKILL/);
});
