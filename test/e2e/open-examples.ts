import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, glob, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type LocalCluster, startLocalCluster } from '../../scripts/cluster/local-cluster.ts';
import { type CommandResult, runDrover } from '../../scripts/cluster/run-drover.ts';
import { waitUntil } from '../../scripts/cluster/wait-until.ts';
import type { Instance } from '../../shared/contracts/entities.ts';
import { ownPort } from '../support/own-port.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The services of examples/coordination on a local cluster of two controllers and three hosts. */
export interface ExampleStage {
  readonly cluster: LocalCluster;
  readonly names: readonly string[];
  /** Of a service on the router. */
  urlOf(service: string): string;
  /** Healthy instances, with where each listens. */
  instances(service: string): Promise<(Instance & { readonly url: string; readonly host: string })[]>;
  drover(...args: string[]): Promise<CommandResult>;
  /** What a command with `--json` prints. */
  json<T>(...args: string[]): Promise<T>;
  /** All that the workers of a service have printed, on all hosts. */
  printed(service: string): Promise<string>;
}

export const hasPython = spawnSync('python3', ['--version']).status === 0;

export async function openExamples(t: TestContext): Promise<ExampleStage> {
  const directory = await mkdtemp(join(tmpdir(), 'drover-e2e-'));
  const cluster = await startLocalCluster({ directory, controllers: 2, agents: 3 });
  t.after(async () => {
    await cluster.close();
    await rm(directory, { recursive: true, force: true });
  });
  // The packages that the examples depend on, above all hosts: a test asks no registry.
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
  const workshop = join(directory, 'workshop');
  await cp(join(root, 'examples/coordination'), workshop, { recursive: true });

  const scale = { instances: 3 };
  const wanted: Record<string, Record<string, unknown>> = {
    'lock.js': { ...scale, env: { DATABASE_FILE: join(directory, 'orders.db'), WORK_MS: '20' } },
    'election.js': { ...scale, env: { POLL_MS: '100' } },
    'cron.js': { ...scale, env: { SCHEDULE: '* * * * * *' } },
    'callback.js': { ...scale, env: { DATABASE_FILE: join(directory, 'payments.db') } },
    'ports.js': { hosts: 'all', instances: 2 },
    'channels.js': scale,
    ...(hasPython ? { 'rest.py': { instances: 1 } } : {}),
  };
  const ports = new Map<string, number>();
  const apps = [];
  for (const [script, more] of Object.entries(wanted)) {
    const name = script.replace(/\.\w+$/, '');
    const port = await ownPort();
    ports.set(name, port);
    const update = { min_healthy: 0, monitor: 0, max_parallel: 6 };
    const health = { path: '/', interval: 500 };
    apps.push({ name, script, route: { port }, kill_timeout: 8_000, dependencies: 'none', health, update, ...more });
  }
  const file = join(workshop, 'ecosystem.config.json');
  await writeFile(file, JSON.stringify({ apps }));
  await rm(join(workshop, 'ecosystem.config.js'));

  const stage: ExampleStage = {
    cluster,
    names: [...ports.keys()],
    urlOf: (service) => `http://127.0.0.1:${ports.get(service)}`,
    async instances(service) {
      const [all, nodes] = await Promise.all([
        cluster.client.listInstances({ query: { service } }),
        cluster.client.listNodes({}),
      ]);
      return all
        .filter(({ desired, status }) => desired === 'run' && status.health === 'healthy')
        .map((instance) => {
          const host = nodes.find(({ id }) => id === instance.nodeId)!.name;
          const { address } = cluster.agents.find(({ name }) => name === host)!;
          return { ...instance, host, url: `http://${address}:${instance.port}` };
        });
    },
    drover: (...args) => runDrover(args, { env: cluster.env }),
    async json<T>(...args: string[]) {
      const { code, stdout, stderr } = await runDrover([...args, '--json'], { env: cluster.env });
      assert.equal(code, 0, `drover ${args.join(' ')}: ${stderr}`);
      return JSON.parse(stdout) as T;
    },
    async printed(service) {
      const texts: string[] = [];
      for (const { data } of cluster.agents) {
        for await (const log of glob(join(data, 'logs', service, '*.log'))) texts.push(await readFile(log, 'utf8'));
      }
      return texts.join('\n');
    },
  };
  const { code, stdout, stderr } = await stage.drover('deploy', file, '--yes', '--detach');
  assert.equal(code, 0, `${stdout}\n${stderr}`);
  await waitUntil(
    'all examples to be healthy and reachable',
    async () => {
      for (const [name, port] of ports) {
        const count = name === 'ports' ? 6 : name === 'rest' ? 1 : 3;
        const found = await stage.instances(name);
        if (found.length < count) throw new Error(`${name}: ${found.length} of ${count}\n${await stage.printed(name)}`);
        await fetch(`http://127.0.0.1:${port}/`);
      }
      return true;
    },
    { timeoutMs: 40_000, intervalMs: 250 },
  );
  return stage;
}
