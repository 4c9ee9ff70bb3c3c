import { test } from 'node:test';
import { startAgent } from '../../support/agent-process.ts';
import { eventually } from '../../support/eventually.ts';
import { startFakeCluster } from '../../support/fake-cluster.ts';
import { startCli } from '../../support/run-cli-process.ts';

test('a host that has joined is told where a controller is now with the same command, without a token', async (t) => {
  const cluster = await startFakeCluster(t);
  const first = await cluster.startController();
  const agent = await startAgent(t, { cluster, controller: first });
  await agent.kill();
  await first.kill();
  const moved = await cluster.startController();
  const before = cluster.hellos;
  const again = startCli(t, ['agent', 'join', moved.url, '--data', agent.data]);
  await eventually(() => cluster.hellos > before, { timeoutMs: 15_000 });
  again.child.kill('SIGTERM');
  await again.ended;
});
