import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../../scripts/cluster/free-port.ts';
import type { LocalCluster } from '../../scripts/cluster/local-cluster.ts';
import { runDrover } from '../../scripts/cluster/run-drover.ts';
import { writeExample } from '../../scripts/story/example-version.ts';
import { openCluster } from './open-stage.ts';

/** Everything that a wrong command must leave as it was. */
async function stateOf({ client }: LocalCluster): Promise<string> {
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

test('wrong input gets an error that names it and a documented exit code, and changes nothing', async (t) => {
  const cluster = await openCluster(t);
  const workshop = join(cluster.directory, 'workshop');
  const port = await freePort();
  const good = await writeExample(workshop, { version: 'v1', instances: 3, port });
  assert.equal((await runDrover(['deploy', good, '--yes'], { env: cluster.env })).code, 0);
  const before = await stateOf(cluster);

  const write = async (name: string, app: Record<string, unknown>): Promise<string> => {
    const directory = join(workshop, name);
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'server.js'), 'setInterval(() => {}, 1000);\n');
    const file = join(directory, 'ecosystem.config.json');
    await writeFile(file, JSON.stringify({ apps: [{ name, script: 'server.js', ...app }] }));
    return file;
  };
  const cases: {
    title: string;
    args: () => Promise<string[]>;
    env?: Record<string, string>;
    code: number;
    says: RegExp;
  }[] = [
    {
      title: 'an unknown field',
      args: async () => ['deploy', await write('unknown-field', { max_restart: 3 })],
      code: 1,
      says: /apps\[0\]\.max_restart\b.*max_restarts/s,
    },
    {
      title: 'a wrong type',
      args: async () => ['deploy', await write('wrong-type', { instances: 'many' })],
      code: 1,
      says: /apps\[0\]\.instances/,
    },
    {
      title: 'a missing script',
      args: async () => ['deploy', await write('missing-script', { script: 'nope.js' })],
      code: 1,
      says: /apps\[0\]\.script.*nope\.js|nope\.js.*apps\[0\]\.script/s,
    },
    {
      title: 'a missing file',
      args: async () => ['deploy', join(workshop, 'nowhere', 'ecosystem.config.js')],
      code: 1,
      says: /nowhere/,
    },
    {
      title: 'an unreadable artifact',
      args: async () => {
        const file = await write('unreadable', {});
        await mkdir(join(workshop, 'unreadable', 'link'), { recursive: true });
        await symlink('/etc/hostname', join(workshop, 'unreadable', 'link', 'outside'));
        return ['deploy', file];
      },
      code: 1,
      says: /outside/,
    },
    {
      title: 'a constraint that no node fits',
      args: async () => [
        'deploy',
        await write('unplaceable', { placement: { constraints: ['node.labels.zone == moon'] } }),
      ],
      code: 3,
      says: /zone == moon/,
    },
    {
      title: 'a route that another service has',
      args: async () => ['deploy', await write('same-route', { route: { port } })],
      code: 6,
      says: new RegExp(`${port}.*hello|hello.*${port}`, 's'),
    },
    { title: 'an unknown service', args: async () => ['scale', 'nope', '3'], code: 1, says: /"?nope"?/ },
    {
      title: 'a wrong count',
      args: async () => ['scale', 'hello', 'lots'],
      code: 1,
      says: /instances: must be a count/,
    },
    { title: 'an unknown node', args: async () => ['node', 'drain', 'host-99'], code: 1, says: /host-99/ },
    { title: 'an unknown revision', args: async () => ['rollback', 'hello', '--to', '99'], code: 1, says: /99/ },
    {
      title: 'a bad token',
      args: async () => ['ls', '--token', 'drva_this_is_not_the_token_of_anyone'],
      env: { DROVER_TOKEN_FILE: '' },
      code: 1,
      says: /token/i,
    },
    { title: 'an unknown command', args: async () => ['depoly'], code: 1, says: /deploy/ },
    {
      title: 'a controller that is not there',
      args: async () => ['ls', '--url', `https://127.0.0.1:${await freePort()}`],
      code: 7,
      says: /controller/i,
    },
  ];
  for (const { title, args, env, code, says } of cases) {
    await t.test(title, async () => {
      const result = await runDrover(await args(), { env: { ...cluster.env, ...env } });
      const output = `${result.stdout}\n${result.stderr}`;
      assert.equal(result.code, code, output);
      assert.match(output, says);
      assert.doesNotMatch(output, /\n\s+at .*\.ts:\d+/, 'a stack trace is no message for a user');
      assert.equal(await stateOf(cluster), before);
    });
  }

  await t.test('a port of a host that a stranger holds: the instance gets another one', async (t) => {
    const [agent] = cluster.agents;
    const strangers = await Promise.all(
      Array.from({ length: 6 }, (_, index) => holdPort((agent?.ports.from ?? 0) + 1 + index, agent?.address ?? '')),
    );
    t.after(() => {
      for (const stranger of strangers) stranger.close();
    });
    const file = await write('finds-a-port', {
      instances: 2,
      health: { tcp: true },
      placement: { constraints: ['node.name == host-1'] },
    });
    await writeFile(join(workshop, 'finds-a-port', 'server.js'), listener);
    const result = await runDrover(['deploy', file, '--yes'], { env: cluster.env });
    assert.equal(result.code, 0, `${result.stdout}\n${result.stderr}`);
  });

  await t.test('a port of a route that a stranger holds: the deploy fails and says so', async (t) => {
    const stranger = await holdPort(await freePort(), '127.0.0.1');
    t.after(() => stranger.close());
    const { port: held } = stranger.address() as { port: number };
    const file = await write('route-taken', { route: { port: held } });
    await writeFile(join(workshop, 'route-taken', 'server.js'), listener);
    const result = await runDrover(['deploy', file, '--yes'], { env: cluster.env });
    assert.equal(result.code, 5, `${result.stdout}\n${result.stderr}`);
    assert.match(`${result.stdout}${result.stderr}`, new RegExp(`port ${held}.*another process`));
  });
});

const listener =
  "require('node:http').createServer((q, r) => r.end('ok')).listen(process.env.PORT, process.env.HOST);\n";

/** Listens on a port as a stranger; one that is taken already is as good. */
function holdPort(port: number, host: string): Promise<Server> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(server));
    server.listen(port, host, () => resolve(server));
  });
}
