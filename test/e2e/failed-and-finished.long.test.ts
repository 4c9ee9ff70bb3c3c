import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { killProcessesOf } from '../../scripts/cluster/host-processes.ts';
import { type CommandResult, runDrover } from '../../scripts/cluster/run-drover.ts';
import { waitUntil } from '../../scripts/cluster/wait-until.ts';
import { writeService } from '../../scripts/story/wrong-input.ts';
import { isTerminal } from '../../shared/state/instance-states.ts';
import { openCluster } from './open-stage.ts';

/** Notes that it runs, and ends with code 0 once a file is there. */
const runsOnce = `
const { appendFileSync, existsSync } = require('node:fs');
appendFileSync(process.env.LEDGER, process.pid + '\\n');
setInterval(() => existsSync(process.env.LEDGER + '.end') && process.exit(0), 20);
`;

test('what fails or ends by itself leaves a service as its users left it', async (t) => {
  const cluster = await openCluster(t);
  const workshop = join(cluster.directory, 'workshop');
  const run = (...words: string[]) => runDrover(words, { env: cluster.env });
  const deploy = async (name: string, app: Record<string, unknown>, code?: string): Promise<CommandResult> => {
    const file = await writeService(workshop, { name, app, ...(code === undefined ? {} : { code }) });
    return run('deploy', file, '--yes');
  };
  const succeed = (result: CommandResult) => assert.equal(result.code, 0, `${result.stdout}\n${result.stderr}`);
  const lookAt = (name: string) => cluster.client.getService({ params: { name } });
  const revisionsOf = async (name: string) => {
    const live = (await lookAt(name)).instances.filter(({ status }) => !isTerminal(status.state));
    return live.map(({ revision }) => revision);
  };

  await t.test('a deploy that fails goes back to the count as well as to the revision', async () => {
    succeed(await deploy('web', { instances: 2 }));
    for (const instances of [4, 1]) {
      const broken = await deploy('web', { instances }, 'process.exit(3);\n');
      assert.equal(broken.code, 4, broken.stdout);
      assert.match(broken.stdout, /web is back on revision 1/);
      assert.deepEqual((await lookAt('web')).scale, { instances: 2 });
      assert.deepEqual(await revisionsOf('web'), [1, 1]);
    }
  });

  await t.test('and to the count that a user has asked for meanwhile', async () => {
    const failing = deploy('web', { instances: 4, expect_listen: true, listen_timeout: '8s' });
    await waitUntil('the deploy to roll', async () => (await lookAt('web')).deployment?.state === 'rolling');
    assert.equal((await run('scale', 'web', '3', '--detach')).code, 0);
    const { code, stdout } = await failing;
    assert.equal(code, 4, stdout);
    assert.deepEqual((await lookAt('web')).scale, { instances: 3 });
    assert.deepEqual(await revisionsOf('web'), [1, 1, 1]);
  });

  await t.test('a host that needs longer than the health deadline for npm ci fails no deploy', async () => {
    const app = { update: { healthy_deadline: '3s' }, min_uptime: 200 };
    const file = await writeService(workshop, { name: 'installs', app });
    const manifest = { name: 'installs', version: '1.0.0', scripts: { preinstall: 'sleep 6' } };
    const lock = { name: 'installs', version: '1.0.0', lockfileVersion: 3, packages: { '': { name: 'installs' } } };
    await writeFile(join(workshop, 'installs/package.json'), JSON.stringify(manifest));
    await writeFile(join(workshop, 'installs/package-lock.json'), JSON.stringify(lock));
    const result = await run('deploy', file, '--yes');
    succeed(result);
    assert.ok(result.elapsedMs > 6_000, `${result.elapsedMs} ms: npm ci was not waited for`);
    assert.match(result.stdout, /installs dependencies/);
  });

  await t.test('a program with autorestart off has exited when it ends, until it is started again', async () => {
    const ledger = join(cluster.directory, 'ledger');
    const runs = async () => (await readFile(ledger, 'utf8').catch(() => '')).split('\n').length - 1;
    const exited = () =>
      waitUntil('drover ls to say exited', async () => /once .* exited/.test((await run('ls')).stdout));
    const end = async () => {
      await writeFile(`${ledger}.end`, '');
      await exited();
      await rm(`${ledger}.end`);
    };
    const app = { autorestart: false, min_uptime: 200, env: { LEDGER: ledger } };

    // A process that is there may not have come to its first line yet.
    const runsAgain = (count: number) => waitUntil(`run ${count}`, async () => (await runs()) >= count);
    succeed(await deploy('once', app, runsOnce));
    await end();
    assert.equal(await runs(), 1);
    succeed(await run('start', 'once'));
    await runsAgain(2);
    await end();
    assert.equal(await runs(), 2);
    succeed(await run('restart', 'once'));
    await runsAgain(3);
    await end();
    assert.equal(await runs(), 3);
    succeed(await deploy('once', app, runsOnce));
    await runsAgain(4);

    const [instance] = (await lookAt('once')).instances.filter(({ status }) => status.state === 'running');
    const nodes = await cluster.client.listNodes({});
    const name = nodes.find(({ id }) => id === instance?.nodeId)?.name;
    const host = cluster.agents.find((agent) => agent.name === name)!;
    await killProcessesOf(host);
    await waitUntil('its program to run on another host', async () => (await runs()) === 5, { timeoutMs: 40_000 });
    await end();
    assert.equal(await runs(), 5);
  });
});
