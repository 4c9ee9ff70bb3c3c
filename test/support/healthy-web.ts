import assert from 'node:assert/strict';
import { type AgentProcess, startAgent, workersDirectory } from './agent-process.ts';
import { eventually } from './eventually.ts';
import { type FakeCluster, type FakeController, startFakeCluster } from './fake-cluster.ts';
import type { Lifetime } from './lifetime.ts';
import { ownPort } from './own-port.ts';

/** A service that answers `<pid> <slot>` over HTTP. */
export const web = { script: 'serves-http.mjs', cwd: workersDirectory, health: { probe: { type: 'http' as const } } };

export interface HealthyWeb {
  readonly cluster: FakeCluster;
  readonly controller: FakeController;
  readonly agent: AgentProcess;
  readonly port: number;
  readonly pid: number;
}

/** A cluster of one agent with `web` on it, of which the one instance `web-0-a` is healthy. */
export async function startHealthyWeb(t: Lifetime): Promise<HealthyWeb> {
  const cluster = await startFakeCluster(t);
  const controller = await cluster.startController();
  const agent = await startAgent(t, { cluster, controller });
  const port = await ownPort();
  cluster.addRevision('web', web);
  cluster.want([{ instanceId: 'web-0-a', service: 'web', port }]);
  await eventually(() => assert.equal(cluster.status('web-0-a').health, 'healthy', agent.log), { timeoutMs: 10_000 });
  return { cluster, controller, agent, port, pid: cluster.status('web-0-a').pid! };
}
