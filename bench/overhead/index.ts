import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive } from '../../agent/process/process-identity.ts';
import { findRouter } from '../../agent/router/launch.ts';
import { bundlePaths, readJsonFile } from '../../agent/shim/bundle-files.ts';
import type { ShimRecord } from '../../agent/shim/protocol.ts';
import type { LocalAgent, LocalCluster } from '../../scripts/cluster/local-cluster.ts';
import { waitUntil } from '../../scripts/cluster/wait-until.ts';
import type { BenchmarkResult } from '../benchmark.ts';
import { mustRun, restartAll, withBenchCluster } from '../lib/bench-cluster.ts';
import { writeBenchServices } from '../lib/bench-service.ts';
import { measureIdle, sumUsage } from '../lib/measure-idle.ts';

/** Ten workers in six services, as on one host of a team. */
const services = [1, 1, 2, 2, 2, 2].map((instances, index) => ({ name: `service-${index + 1}`, instances }));

/**
 * What supervision costs a host that has nothing to do: the agent and the shims of six services with ten workers in fork mode, each
 * asked for its health every three seconds, as is the default. The workers themselves, and the router, are apart.
 */
export async function run({ quick }: { readonly quick: boolean }): Promise<BenchmarkResult> {
  return withBenchCluster({ controllers: 1, agents: 1 }, async (cluster) => {
    const [agent] = cluster.agents as [LocalAgent];
    const workshop = join(cluster.directory, 'workshop');
    await mustRun(cluster, ['deploy', await writeBenchServices(workshop, services, 'v1'), '--yes']);
    const workers = services.reduce((sum, { instances }) => sum + instances, 0);
    if (!quick) {
      // The first shim of a host compiles; the shims of a later deploy are like all that follow.
      await mustRun(cluster, ['deploy', await writeBenchServices(workshop, services, 'v2'), '--yes']);
      await restartAll(cluster);
    }
    const shims = await waitUntil('one shim for each service, and all workers healthy', async () => {
      const found = await shimsOf(agent);
      return found.length === services.length && (await countHealthy(cluster)) === workers && found;
    });
    await sleep(quick ? 1_000 : 10_000);
    const router = findRouter(join(agent.data, 'router'));
    const pids = [agent.process.pid, ...shims, ...(router === null ? [] : [router.pid])];
    const usages = await measureIdle(pids, quick ? 3 : 30);
    const [ofAgent] = usages;
    const ofShims = sumUsage(usages.slice(1, 1 + shims.length));
    const ofRouter = usages[1 + shims.length];
    const supervisor = sumUsage(usages.slice(0, 1 + shims.length));
    return {
      name: 'overhead',
      figures: {
        workers,
        shims: shims.length,
        supervisorPssMb: supervisor.pssMb,
        supervisorCpuPercent: supervisor.cpuPercent,
        agentPssMb: ofAgent?.pssMb ?? Number.NaN,
        agentPrivateMb: ofAgent?.privateMb ?? Number.NaN,
        agentCpuPercent: ofAgent?.cpuPercent ?? Number.NaN,
        shimsPssMb: ofShims.pssMb,
        shimsPrivateMb: ofShims.privateMb,
        shimsCpuPercent: ofShims.cpuPercent,
        ...(ofRouter === undefined ? {} : { routerPssMb: ofRouter.pssMb, routerCpuPercent: ofRouter.cpuPercent }),
      },
    };
  });
}

async function shimsOf({ data }: LocalAgent): Promise<number[]> {
  const bundles = join(data, 'bundles');
  const names = await readdir(bundles);
  return names
    .map((name) => readJsonFile<ShimRecord>(bundlePaths(join(bundles, name)).shim))
    .flatMap((shim) => (shim !== null && isAlive(shim) ? [shim.pid] : []));
}

async function countHealthy({ client }: LocalCluster): Promise<number> {
  const instances = await client.listInstances({});
  return instances.filter(({ status }) => status.state === 'running' && status.health === 'healthy').length;
}
