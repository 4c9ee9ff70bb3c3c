import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '../../scripts/cluster/wait-until.ts';
import type { BenchmarkResult } from '../benchmark.ts';
import { mustRun, restartAll, withBenchCluster } from '../lib/bench-cluster.ts';
import { writeBenchServices } from '../lib/bench-service.ts';
import { type IdleUsage, measureIdle } from '../lib/measure-idle.ts';

/** What two controllers and their Redis cost with three hosts and one service of six instances, while nothing is deployed. */
export async function run({ quick }: { readonly quick: boolean }): Promise<BenchmarkResult> {
  return withBenchCluster({ controllers: 2, agents: 3 }, async (cluster) => {
    const { client, controllers, redis } = cluster;
    const file = await writeBenchServices(
      join(cluster.directory, 'workshop'),
      [{ name: 'service', instances: 6 }],
      'v1',
    );
    await mustRun(cluster, ['deploy', file, '--yes']);
    if (!quick) await restartAll(cluster);
    const leader = await waitUntil('three nodes ready, and a leader', async () => {
      const ready = (await client.listNodes({})).filter(({ state }) => state === 'ready').length;
      const found = (await client.getCluster({})).leader;
      return ready === 3 && found !== null && controllers.find(({ url }) => url === found.url);
    });
    await sleep(quick ? 1_000 : 10_000);
    const follower = controllers.find((controller) => controller !== leader) ?? leader;
    const pids = [leader.process.pid, follower.process.pid, ...(redis.pid === null ? [] : [redis.pid])];
    const [ofLeader, ofFollower, ofRedis] = await measureIdle(pids, quick ? 3 : 30);
    return {
      name: 'controller',
      figures: {
        controllerPssMb: Math.max(ofLeader?.pssMb ?? Number.NaN, ofFollower?.pssMb ?? Number.NaN),
        ...named('leader', ofLeader),
        ...named('follower', ofFollower),
        ...named('redis', ofRedis),
      },
    };
  });
}

function named(who: string, usage: IdleUsage | undefined): Record<string, number> {
  if (usage === undefined) return {};
  return {
    [`${who}PssMb`]: usage.pssMb,
    [`${who}PrivateMb`]: usage.privateMb,
    [`${who}CpuPercent`]: usage.cpuPercent,
  };
}
