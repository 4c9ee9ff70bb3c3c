import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readAdoption } from '../../scripts/cluster/host-processes.ts';
import type { LocalAgent, LocalCluster } from '../../scripts/cluster/local-cluster.ts';
import { waitUntil } from '../../scripts/cluster/wait-until.ts';
import type { BenchmarkResult } from '../benchmark.ts';
import { mustRun, restartAll, withBenchCluster } from '../lib/bench-cluster.ts';
import { writeBenchServices } from '../lib/bench-service.ts';
import { median } from '../lib/median.ts';
import { measureOwnStart } from './own-start.ts';

/** As many instances as hosts, so that a rollout has more than one batch. */
const service = { name: 'service', instances: 3 };
/** Finer than what is measured, and few enough requests not to slow it. */
const lookMs = 10;

/**
 * How long users wait: from the start of `drover deploy` to the first new instance that is healthy, and to its end, beside the time
 * that the service takes by itself; the same for a rollback; and how long a killed agent takes to run its host again.
 */
export async function run({ quick }: { readonly quick: boolean }): Promise<BenchmarkResult> {
  return withBenchCluster({ controllers: 2, agents: 3 }, async (cluster) => {
    const workshop = join(cluster.directory, 'workshop');
    const write = (version: string): Promise<string> => writeBenchServices(workshop, [service], version);
    await mustRun(cluster, ['deploy', await write('v0'), '--yes']);
    if (!quick) await restartAll(cluster);
    await allHealthy(cluster);

    const ownStarts: number[] = [];
    const deploys: Rollout[] = [];
    for (let round = 1; round <= (quick ? 1 : 10); round++) {
      const file = await write(`v${round}`);
      ownStarts.push(await measureOwnStart(file));
      deploys.push(await measureRollout(cluster, ['deploy', file, '--yes']));
    }
    const rollback = await measureRollout(cluster, ['rollback', service.name]);
    const adoptions: number[] = [];
    for (let round = 0; round < (quick ? 1 : 3); round++) adoptions.push(await measureAdoption(cluster));

    const serviceStartMs = median(ownStarts);
    const deployToFirstHealthyMs = median(deploys.map(({ firstHealthyMs }) => firstHealthyMs));
    return {
      name: 'deploy',
      figures: {
        deploys: deploys.length,
        serviceStartMs,
        deployToFirstHealthyMs,
        overheadMs: deployToFirstHealthyMs - serviceStartMs,
        acceptedToFirstHealthyMs: median(deploys.map(({ acceptedMs, firstHealthyMs }) => firstHealthyMs - acceptedMs)),
        deployTotalMs: median(deploys.map(({ totalMs }) => totalMs)),
        rollbackToFirstHealthyMs: rollback.firstHealthyMs,
        rollbackTotalMs: rollback.totalMs,
        agentRestartToAdoptedMs: median(adoptions),
      },
    };
  });
}

/** Milliseconds since the command began. */
interface Rollout {
  readonly acceptedMs: number;
  readonly firstHealthyMs: number;
  readonly totalMs: number;
}

async function measureRollout(cluster: LocalCluster, command: readonly string[]): Promise<Rollout> {
  const { target } = await viewOf(cluster);
  const startedMs = performance.now();
  const [totalMs, seen] = await Promise.all([
    mustRun(cluster, command),
    watchRollout(cluster, target.revision, startedMs),
  ]);
  return { ...seen, totalMs };
}

async function watchRollout(
  cluster: LocalCluster,
  before: number,
  startedMs: number,
): Promise<{ acceptedMs: number; firstHealthyMs: number }> {
  let acceptedMs: number | null = null;
  return waitUntil(
    'a healthy instance of the new revision',
    async () => {
      const { target, instances } = await viewOf(cluster);
      if (target.revision === before) return null;
      acceptedMs ??= performance.now() - startedMs;
      const isNew = instances.some(
        ({ revision, status }) => revision === target.revision && status.health === 'healthy',
      );
      return isNew && { acceptedMs, firstHealthyMs: performance.now() - startedMs };
    },
    { intervalMs: lookMs },
  );
}

async function viewOf({ client }: LocalCluster) {
  return client.getService({ params: { name: service.name } });
}

async function allHealthy(cluster: LocalCluster): Promise<void> {
  await waitUntil('all instances healthy on three nodes that are ready', async () => {
    const [{ instances }, nodes] = await Promise.all([viewOf(cluster), cluster.client.listNodes({})]);
    const healthy = instances.filter(({ status }) => status.state === 'running' && status.health === 'healthy');
    return healthy.length === service.instances && nodes.every(({ state }) => state === 'ready');
  });
}

/** From the start of a new agent, after the old one was killed, to its own word that it runs what it found. */
async function measureAdoption(cluster: LocalCluster): Promise<number> {
  const [agent] = cluster.agents as [LocalAgent];
  agent.process.signal('SIGKILL');
  await agent.process.exited;
  await sleep(500);
  const startedAt = Date.now();
  await agent.start();
  const adoption = await waitUntil(
    'the agent to run again',
    async () => {
      const newest = await readAdoption(agent);
      return newest !== null && newest.at >= startedAt && newest;
    },
    { intervalMs: lookMs },
  );
  if (adoption.workers === 0) throw new Error('The agent found no worker, so this was no adoption');
  await allHealthy(cluster);
  return adoption.at - startedAt;
}
