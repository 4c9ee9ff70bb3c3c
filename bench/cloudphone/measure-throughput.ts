import type { LocalCluster } from '../../scripts/cluster/local-cluster.ts';
import { waitUntil } from '../../scripts/cluster/wait-until.ts';
import { startPlatform } from '../../scripts/verify/start-platform.ts';
import { withBenchCluster } from '../lib/bench-cluster.ts';
import { driveLoad, type LoadFigures, manyClients } from './drive-load.ts';
import type { Databases } from './open-databases.ts';
import { logIn, mixedKinds } from './requests.ts';

const scaleTimeoutMs = 120_000;

/** One is as many hosts as there are; it has an instance on each of them. */
const scaled = ['api-gateway', 'user-service', 'app-service', 'billing-service', 'notification-service'] as const;
/** As many instances as the platform's own files have. */
const several = {
  'api-gateway': 4,
  'user-service': 2,
  'app-service': 2,
  'billing-service': 2,
  'notification-service': 2,
};

export interface Throughput {
  readonly one: LoadFigures;
  readonly several: LoadFigures;
  readonly instances: { readonly one: number; readonly several: number };
}

/** The same load on the whole platform, with one instance of each service and with several, in turns; the better of two each. */
export async function measureThroughput({
  databases,
  quick,
}: {
  readonly databases: Databases;
  readonly quick: boolean;
}): Promise<Throughput> {
  return withBenchCluster({ controllers: 1, agents: 1 }, async (cluster) => {
    const env = { DATABASE_URL: await databases.urlOf('bench_platform'), RATE_LIMIT: '100000000' };
    // SQLite has one writer a file, and the platform a file for each service.
    const own = databases.kind === 'postgres' ? env : { RATE_LIMIT: env.RATE_LIMIT };
    const platform = await startPlatform({ cluster, env: own });
    try {
      const addresses = { gateway: platform.url('api-gateway'), billing: platform.url('billing-service') };
      const user = await logIn(addresses.gateway, 'bench');
      const kinds = mixedKinds(addresses, user);
      const measure = (durationMs: number) =>
        driveLoad(kinds, { clients: manyClients, over: AbortSignal.timeout(durationMs) });
      const [warmUpMs, measuredMs] = quick ? [500, 1_500] : [5_000, 12_000];
      const found: Record<'one' | 'several', LoadFigures[]> = { one: [], several: [] };
      for (const count of (quick ? ['several', 'one'] : ['several', 'one', 'several', 'one']) as (
        | 'one'
        | 'several'
      )[]) {
        await scaleAll(cluster, (name) => (count === 'one' ? 1 : several[name]));
        // Not measured: what is compiled on first use, and connections that are made.
        await measure(warmUpMs);
        found[count].push(await measure(measuredMs));
      }
      await user.client.close();
      const total = Object.values(several).reduce((sum, instances) => sum + instances, 1);
      return {
        one: best(found.one),
        several: best(found.several),
        instances: { one: scaled.length + 1, several: total },
      };
    } finally {
      await platform.close();
    }
  });
}

function best(runs: readonly LoadFigures[]): LoadFigures {
  return runs.reduce((a, b) => (b.requestsPerSecond > a.requestsPerSecond ? b : a));
}

async function scaleAll(
  { client }: LocalCluster,
  instancesOf: (name: (typeof scaled)[number]) => number,
): Promise<void> {
  for (const name of scaled) await client.scaleService({ params: { name }, body: { instances: instancesOf(name) } });
  await waitUntil(
    'all services to have as many healthy instances as asked for',
    async () => {
      for (const name of scaled) {
        const { instances } = await client.getService({ params: { name } });
        const living = instances.filter(({ status }) => ['starting', 'running', 'stopping'].includes(status.state));
        const healthy = living.filter(({ desired, status }) => desired === 'run' && status.health === 'healthy');
        if (living.length !== instancesOf(name) || healthy.length !== instancesOf(name)) {
          throw new Error(`${name}: ${healthy.length} healthy of ${living.length}`);
        }
      }
      return true;
    },
    { timeoutMs: scaleTimeoutMs, intervalMs: 200 },
  );
}
