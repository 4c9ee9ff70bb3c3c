import { cp, glob, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lastLines } from '../cluster/child.ts';
import { killProcessesOf } from '../cluster/host-processes.ts';
import type { LocalCluster } from '../cluster/local-cluster.ts';
import { isPortFree, type PortBlock, reservePortBlock } from '../cluster/port-block.ts';
import { runDrover } from '../cluster/run-drover.ts';
import { Hopeless, waitUntil } from '../cluster/wait-until.ts';
import { askOnce } from './ask.ts';
import {
  deployedPlatform,
  isLoginRequired,
  type Platform,
  type ServiceName,
  seedPorts,
  serviceNames,
} from './platform.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The platform on a local cluster. */
export interface LocalPlatform extends Platform {
  readonly cluster: LocalCluster;
  /** Deploys some services anew, with more in the environment that `env` is in; waits for the end of it. */
  deploy(services: readonly ServiceName[], env: Readonly<Record<string, string>>): Promise<void>;
  /** Ends the cluster, and the devices, which outlive the service that started them. */
  close(): Promise<void>;
}

export interface StartPlatformOptions {
  readonly cluster: LocalCluster;
  /** Port of api-gateway on the router. Default: one that nobody else is given, and after which those of the others are free too. */
  readonly firstPort?: number;
  /** An ecosystem file of the platform, deployed as it is. Default: that for development, with quicker probes. */
  readonly file?: string;
  /** In the environment of all services; with `file`, of who deploys it. */
  readonly env?: Readonly<Record<string, string>>;
  /** Ends the wait for the services when it aborts. */
  readonly signal?: AbortSignal;
}

/** On a busy machine of two cores, sixteen Node processes need a while to start. */
const startTimeoutMs = 120_000;

/** Deploys examples/cloudphone by an ecosystem file of its own, and waits until every instance is healthy and every service answers. */
export async function startPlatform(options: StartPlatformOptions): Promise<LocalPlatform> {
  const { cluster, firstPort, env = {} } = options;
  // Outside of this tree: of a directory that git ignores nothing is packed.
  const workshop = await mkdtemp(join(tmpdir(), 'drover-platform-'));
  await cp(join(root, 'examples/cloudphone'), workshop, { recursive: true });
  // The packages of this tree, above all hosts: no registry is asked, and hosts have nothing to install.
  await rm(join(workshop, 'package-lock.json'));
  await writeFile(join(workshop, 'package.json'), '{ "private": true, "type": "module" }\n');
  await symlink(join(root, 'node_modules'), join(cluster.directory, 'node_modules')).catch(() => undefined);
  const ports = firstPort === undefined ? await reservePlatformPorts() : undefined;
  const port = firstPort ?? ports!.from;
  const platform = deployedPlatform({
    base: `http://127.0.0.1:${port}`,
    env: cluster.env,
    paymentSecret: env.PAYMENT_SECRET,
  });
  const variables = { PLATFORM_PORT: String(port), CLOUDPHONE_DATA: join(cluster.directory, 'cloudphone') };

  // Other platforms on this machine have hosts of the same names; the paths of sockets are short.
  const own = { DEVICE_DIR: join(cluster.directory, 'd'), RATE_LIMIT: '1000000' };

  const deploy = async (more: Readonly<Record<string, string>>, ...args: string[]) => {
    const file = join(workshop, options.file ?? 'ecosystem.config.local.js');
    if (options.file === undefined) await writeFile(file, overlay({ ...own, ...env, ...more }));
    const deployer = { ...cluster.env, ...variables, ...(options.file === undefined ? {} : { ...env, ...more }) };
    const result = await runDrover(['deploy', file, '--yes', ...args], { env: deployer });
    if (result.code === 0) return;
    throw new Error(`drover deploy ended with code ${result.code}:\n${result.stdout}\n${result.stderr}`);
  };
  const close = async () => {
    await cluster.close();
    // What still runs out of the directory of a host that has ended: devices.
    await Promise.all(cluster.agents.map(killProcessesOf));
    await ports?.release();
    await rm(workshop, { recursive: true, force: true });
  };
  try {
    await deploy({}, '--detach');
    const look = async () => {
      if (options.signal?.aborted) throw new Hopeless('stopped');
      return await isUp(cluster, platform);
    };
    await waitUntil('all services to be healthy and to answer', look, { timeoutMs: startTimeoutMs, intervalMs: 500 });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    ...platform,
    mustLogIn: await isLoginRequired(platform),
    cluster,
    deploy: (services, more) => deploy(more, '--only', services.join(',')),
    close,
  };
}

/** The development file with quicker probes. */
function overlay(env: Readonly<Record<string, string>>): string {
  return `import development from './ecosystem.config.development.js';

export default {
  apps: development.apps.map((app) => ({
    ...app,
    health: { ...app.health, interval: '500ms' },
    update: { monitor: '500ms' },
    env: { ...app.env, ...${JSON.stringify(env)} },
  })),
};
`;
}

async function isUp(cluster: LocalCluster, platform: Platform): Promise<boolean> {
  const services = await cluster.client.listServices({});
  for (const { name, deployment, instances } of services) {
    const healthy = instances.filter(({ desired, status }) => desired === 'run' && status.health === 'healthy');
    if (deployment?.state === 'succeeded' && healthy.length > 0) continue;
    const problems = instances.map(({ slot, status }) => `#${slot} ${status.state} ${status.reason}`).join(', ');
    const what = `${name} is ${deployment?.state}: ${problems}`;
    if (deployment?.state !== 'failed') throw new Error(what);
    throw new Hopeless(`${what}\n${await lastWords(cluster, name)}`);
  }
  for (const service of serviceNames) {
    const { status } = await askOnce(`${platform.url(service)}/health`);
    if (status !== 200) throw new Error(`${service} answers ${status}`);
  }
  return services.length >= serviceNames.length;
}

/** What the instances of a service have written last, on each host. */
async function lastWords(cluster: LocalCluster, service: string): Promise<string> {
  const found: string[] = [];
  for (const { data } of cluster.agents) {
    for await (const file of glob(join(data, 'logs', service, '*.log'))) found.push(await lastLines(file, 15));
  }
  return found.filter((text) => text !== '').join('\n');
}

/** A block from whose first port on all services of the platform find theirs free. */
async function reservePlatformPorts(): Promise<PortBlock> {
  const offsets = serviceNames.map((service) => seedPorts[service] - seedPorts['api-gateway']);
  const taken: PortBlock[] = [];
  try {
    for (;;) {
      const block = await reservePortBlock();
      const free = await Promise.all(offsets.map((offset) => isPortFree(block.from + offset)));
      if (free.every(Boolean)) return block;
      taken.push(block);
    }
  } finally {
    for (const block of taken) await block.release();
  }
}
