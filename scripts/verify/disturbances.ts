import { isTerminal } from '../../shared/state/instance-states.ts';
import { killProcessesOf } from '../cluster/host-processes.ts';
import { runDrover } from '../cluster/run-drover.ts';
import { waitUntil } from '../cluster/wait-until.ts';
import { serviceNames } from './platform.ts';
import type { LocalPlatform } from './start-platform.ts';
import type { MakeClaim } from './verification.ts';

/** Something that is done to the platform while it is at work. */
export interface Disturbance {
  readonly title: string;
  /** Whether clients may notice: the death of a host breaks off what was under way on it. */
  readonly mayFail: boolean;
  /** `host` is where it hurts most; one that has the router is spared. */
  act(platform: LocalPlatform, claim: MakeClaim, host?: string): Promise<void>;
}

/** Reloads every service: one after the other as people do, or all at once, which is over sooner and harder to bear. */
export function rollingDeploys({ atOnce }: { readonly atOnce: boolean }): Disturbance {
  return {
    title: 'a rolling deploy of every service',
    mayFail: false,
    async act({ cluster, env }, claim) {
      // One that failed while the machine was busy and has been replaced stays on the list for a while.
      const wanted = async (service: string) =>
        (await cluster.client.listInstances({ query: { service } })).filter(
          ({ desired, status }) => desired === 'run' && !isTerminal(status.state),
        );
      const reload = async (service: string) => {
        const before = new Set((await wanted(service)).map(({ id }) => id));
        const { code, elapsedMs, stderr } = await runDrover(['reload', service], { env: { ...env } });
        const left = (await wanted(service)).filter(({ id }) => before.has(id)).length;
        const measured = `${before.size - left} of ${before.size} instances in ${(elapsedMs / 1_000).toFixed(1)} s`;
        claim(
          `${service} is rolled`,
          code === 0 && before.size > 0 && left === 0,
          code === 0 ? measured : `${measured}, exit code ${code}: ${stderr.slice(-300)}`,
        );
      };
      if (atOnce) await Promise.all(serviceNames.map(reload));
      else for (const service of serviceNames) await reload(service);
    },
  };
}

export const disturbances = {
  deploys: rollingDeploys({ atOnce: false }),
  'host-kill': {
    title: 'a host is killed',
    mayFail: true,
    act: killHost,
  },
  'leader-kill': {
    title: 'the leader of the controllers is killed',
    mayFail: false,
    act: killLeader,
  },
} as const satisfies Record<string, Disturbance>;

export type DisturbanceName = keyof typeof disturbances;

/** kill -9 of all that runs on a host, by default the last one; then it comes back. */
async function killHost({ cluster }: LocalPlatform, claim: MakeClaim, host?: string): Promise<void> {
  // The first one has the router.
  const [, ...others] = cluster.agents;
  const agent = others.find(({ name }) => name === host) ?? others.at(-1)!;
  const node = (await cluster.client.listNodes({})).find(({ name }) => name === agent.name);
  const killedMs = performance.now();
  const killed = await killProcessesOf(agent);
  await agent.process.exited;
  const settled = async () => {
    const services = await cluster.client.listServices({});
    return services.every(({ scale, instances }) => {
      const healthy = instances.filter(
        ({ desired, status, nodeId }) => desired === 'run' && status.health === 'healthy' && nodeId !== node?.id,
      ).length;
      return healthy >= ('hosts' in scale && scale.hosts !== undefined ? 1 : Number(scale.instances));
    });
  };
  await waitUntil('its slots to be healthy elsewhere', settled, { timeoutMs: 60_000, intervalMs: 250 });
  claim(
    'its slots are healthy elsewhere',
    true,
    `${((performance.now() - killedMs) / 1_000).toFixed(1)} s, ${killed} processes killed on ${agent.name}`,
  );
  await agent.start();
  await waitUntil(
    'the host to be back',
    async () => {
      const [nodes, devices] = await Promise.all([
        cluster.client.listNodes({}),
        cluster.client.listInstances({ query: { service: 'device-service', node: agent.name } }),
      ]);
      return (
        nodes.some(({ name, state }) => name === agent.name && state === 'ready') &&
        devices.some(({ desired, status }) => desired === 'run' && status.health === 'healthy')
      );
    },
    { timeoutMs: 60_000, intervalMs: 250 },
  );
}

async function killLeader({ cluster }: LocalPlatform, claim: MakeClaim): Promise<void> {
  const { leader } = await cluster.client.getCluster({});
  const controller = cluster.controllers.find(({ url }) => url === leader?.url);
  if (leader === null || controller === undefined) throw new Error('no controller leads');
  const killedMs = performance.now();
  controller.process.signal('SIGKILL');
  await controller.process.exited;
  await waitUntil('another leader', async () => {
    const now = await cluster.client.getCluster({});
    return now.leader !== null && now.leader.term > leader.term;
  });
  claim('another leads', true, `${((performance.now() - killedMs) / 1_000).toFixed(1)} s`);
  await controller.start();
}
