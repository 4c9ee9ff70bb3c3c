import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import type { LocalCluster } from '../cluster/local-cluster.ts';
import { runDrover } from '../cluster/run-drover.ts';
import type { Scene } from './scene.ts';

/** A command with something wrong in it, the exit code that is documented for that, and what the message must name. */
export interface WrongInput {
  readonly title: string;
  readonly args: readonly string[];
  readonly env?: Record<string, string>;
  readonly code: number;
  readonly says: RegExp;
}

/** Nobody listens there, now or later; and it is none of the ports that `fetch` refuses. */
const nobody = 'https://127.0.0.1:2';

/** One of each kind; `hello` is deployed with its route on `port`. */
export async function makeWrongInputs(workshop: string, port: number): Promise<WrongInput[]> {
  const write = (name: string, app: Record<string, unknown>) => writeService(workshop, { name, app });
  const unreadable = await write('unreadable', {});
  await symlink('/etc/hostname', join(workshop, 'unreadable', 'outside')).catch(() => undefined);
  return [
    {
      title: 'an unknown field',
      args: ['deploy', await write('unknown-field', { max_restart: 3 })],
      code: 1,
      says: /apps\[0\]\.max_restart\b.*max_restarts/s,
    },
    {
      title: 'a wrong type',
      args: ['deploy', await write('wrong-type', { instances: 'many' })],
      code: 1,
      says: /apps\[0\]\.instances/,
    },
    {
      title: 'a missing script',
      args: ['deploy', await write('missing-script', { script: 'nope.js' })],
      code: 1,
      says: /apps\[0\]\.script.*nope\.js|nope\.js.*apps\[0\]\.script/s,
    },
    {
      title: 'a missing file',
      args: ['deploy', join(workshop, 'nowhere', 'ecosystem.config.js')],
      code: 1,
      says: /nowhere/,
    },
    { title: 'an unreadable artifact', args: ['deploy', unreadable], code: 1, says: /outside/ },
    {
      title: 'a constraint that no node fits',
      args: ['deploy', await write('unplaceable', { placement: { constraints: ['node.labels.zone == moon'] } })],
      code: 3,
      says: /zone == moon/,
    },
    {
      title: 'a route that another service has',
      args: ['deploy', await write('same-route', { route: { port } })],
      code: 6,
      says: new RegExp(`${port}.*hello|hello.*${port}`, 's'),
    },
    { title: 'an unknown service', args: ['scale', 'nope', '3'], code: 1, says: /"?nope"?/ },
    { title: 'a wrong count', args: ['scale', 'hello', 'lots'], code: 1, says: /instances: must be a count/ },
    { title: 'an unknown node', args: ['node', 'drain', 'host-99'], code: 1, says: /host-99/ },
    { title: 'an unknown revision', args: ['rollback', 'hello', '--to', '9999'], code: 1, says: /9999/ },
    {
      title: 'a bad token',
      args: ['ls'],
      env: { DROVER_TOKEN: 'drva_this_is_not_the_token_of_anyone' },
      code: 1,
      says: /TOKEN_INVALID/,
    },
    { title: 'an unknown command', args: ['depoly'], code: 1, says: /deploy/ },
    { title: 'a controller that is not there', args: ['ls', '--url', nobody], code: 7, says: /controller/i },
  ];
}

/** Everything that a wrong command must leave as it was, as one text to compare. */
export async function readState({ client }: LocalCluster): Promise<string> {
  const [services, deployments, nodes] = await Promise.all([
    client.listServices({}),
    client.listDeployments({ query: {} }),
    client.listNodes({}),
  ]);
  return JSON.stringify([
    services.map(({ name, target, scale }) => ({ name, target, scale })),
    deployments.map(({ id, state }) => ({ id, state })),
    nodes.map(({ id, eligibility }) => ({ id, eligibility })),
  ]);
}

/** Writes a service of one file and returns the path of its ecosystem file. */
export async function writeService(
  workshop: string,
  { name, app, code = 'setInterval(() => {}, 1000);\n' }: { name: string; app: Record<string, unknown>; code?: string },
): Promise<string> {
  const directory = join(workshop, name);
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'server.js'), code);
  const file = join(directory, 'ecosystem.config.json');
  await writeFile(file, JSON.stringify({ apps: [{ name, script: 'server.js', ...app }] }));
  return file;
}

/** A worker that listens where it is told to and answers. */
export const listenerCode =
  "require('node:http').createServer((q, r) => r.end('ok')).listen(process.env.PORT, process.env.HOST);\n";

/** Listens on a port as a stranger; one that is taken already is as good. */
export function holdPort(port: number, host: string): Promise<Server> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(server));
    server.listen(port, host, () => resolve(server));
  });
}

/** Wrong commands one after the other: each is refused by name, and nothing has changed. */
export function wrongInputs(port: number): Scene {
  return async ({ cluster, workshop, tell }, check) => {
    const inputs = await makeWrongInputs(workshop, port);
    const before = await readState(cluster);
    const wrong: string[] = [];
    for (const { title, args, env, code, says } of inputs) {
      const result = await runDrover(args, { env: { ...cluster.env, ...env } });
      const message = `${result.stdout}${result.stderr}`.trim().split('\n').at(-1) ?? '';
      tell(`  ${title}: exit code ${result.code}: ${message.slice(0, 140)}`);
      if (result.code !== code || !says.test(`${result.stdout}${result.stderr}`)) wrong.push(title);
    }
    check(
      'each is refused by name with its documented exit code',
      wrong.length === 0,
      wrong.length === 0 ? `${inputs.length} wrong inputs` : wrong.join(', '),
    );
    check('nothing has changed', (await readState(cluster)) === before, 'services, deployments and nodes compared');
  };
}
