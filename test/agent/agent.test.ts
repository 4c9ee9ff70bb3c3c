import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isProcessAlive, startAgent, workersDirectory } from '../support/agent-process.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeCluster } from '../support/fake-cluster.ts';
import { freePort } from '../support/free-port.ts';

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
