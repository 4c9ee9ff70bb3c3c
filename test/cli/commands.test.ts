import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadCommands, loadCommandsFor } from '../../cli/command-table.ts';
import { saveCluster } from '../../cli/connection/config-file.ts';
import { exitCodes } from '../../cli/exit-codes.ts';
import { renderCliReference } from '../../cli/reference.ts';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import { type FakeRest, fakeToken, startFakeRest } from '../support/fake-rest.ts';
import { ownPort } from '../support/own-port.ts';
import { runCliHere } from '../support/run-cli-here.ts';
import { runCliProcess } from '../support/run-cli-process.ts';
import {
  sampleDeployment,
  sampleInstance,
  sampleNode,
  sampleRevision,
  sampleService,
} from '../support/sample-entities.ts';
import { tempDirectory } from '../support/temp-directory.ts';

const commands = await loadCommands();
const accepted = { service: 'hello', revision: 1, deploymentId: 'deployment-1' };
const joinToken = {
  id: 'k3v9x2ab',
  createdAt: 1,
  createdBy: 'user:admin',
  expiresAt: null,
  usesLeft: null,
  revoked: false,
  labels: {},
};

const cron = {
  ...{ name: 'expire', schedule: '*/5 * * * *', timeZone: 'UTC', overlap: 'skip' as const, paused: false },
  ...{ nextTickAt: Date.now() + 120_000, lastTickAt: Date.now() - 180_000, running: null, missed: 3, asked: 0 },
  hosts: ['web-1/i-1'],
};

/** A cluster with one service that does at once whatever it is told. */
async function cluster(t: TestContext): Promise<FakeRest> {
  const stopped = sampleService({ stopped: true, instances: [] });
  let service: ReturnType<typeof sampleService> | null = sampleService();
  return startFakeRest(t, {
    listServices: () => (service === null ? [] : [service]),
    getService() {
      if (service === null) throw new DroverError('SERVICE_NOT_FOUND', 'There is no service "hello"');
      return service;
    },
    listRevisions: () => [sampleRevision()],
    listNodes: () => [sampleNode()],
    listInstances: () => [],
    updateNode: ({ body }) => sampleNode(body as object),
    removeNode: () => undefined,
    getDeployment: () => sampleDeployment({ state: 'succeeded', kind: 'reload' }),
    reloadService: () => accepted,
    restartService: () => accepted,
    rollbackService: () => accepted,
    scaleService: () => ({ ...accepted, deploymentId: null }),
    stopService() {
      service = stopped;
      return accepted;
    },
    startService() {
      service = sampleService();
      return { ...accepted, deploymentId: null };
    },
    deleteService() {
      service = null;
      return accepted;
    },
    createJoinToken: () => ({ ...joinToken, token: 'DRVJ-1-x' }),
    listJoinTokens: () => [joinToken],
    revokeJoinToken: () => undefined,
    getCluster: () => ({
      id: 'c',
      version: '0.1.0',
      generation: 'g',
      leader: { controllerId: 'controller-1', url: 'https://c:1', term: 3 },
      controllers: [],
      routers: [],
      routingEpoch: 1,
      caDigest: 'a'.repeat(64),
    }),
    listLocks: () => [
      {
        ...{ name: 'order:42', kind: 'lock' as const },
        holders: [{ identity: 'web-1/i-1', token: 1_763_730_000_000_000, ageMs: 2300, expiresInMs: 7700 }],
        waiters: [{ identity: 'web-2/i-2', kind: 'lock' as const, waitingMs: 850 }],
      },
    ],
    breakLock: () => undefined,
    listCrons: () => [cron],
    listCronRuns: () => [
      {
        ...{ runId: 'expire@2026-01-01T00:00:00.000Z', tick: Date.UTC(2026, 0, 1), trigger: 'schedule' as const },
        ...{ identity: 'web-1/i-1', token: 7, startedAt: Date.UTC(2026, 0, 1), durationMs: 1200 },
        ...{ outcome: 'failed' as const, error: 'no database' },
      },
    ],
    pauseCron: () => ({ ...cron, paused: true }),
    resumeCron: () => cron,
    triggerCron: () => ({ runId: 'expire@2026-01-01T00:00:00.000Z.manual' }),
    getPortUsage: () => [
      {
        ...{ host: 'web-1', pool: 'adb', from: 5555, to: 5564, size: 10, free: 5, leased: 2 },
        ...{ quarantined: 1, foreign: 1, orphaned: 1, nextFreeInMs: 400 },
      },
    ],
    listPorts: () => [
      {
        ...{ host: 'web-1', pool: 'adb', port: 5555, state: 'orphaned' as const, allocationId: 'a-1' },
        ...{ owner: 'device-1', identity: 'web-1/i-1', ageMs: 60_000, untilMs: null },
      },
    ],
    async *getLogs() {
      yield { data: { instanceId: 'i-1', service: 'hello', slot: 0, node: 'web-1', stream: 'out', line: '你好' } };
    },
    async *getEvents() {
      yield {
        id: '1-0',
        data: {
          id: '1-0',
          type: 'service.deployed',
          at: 1,
          actor: 'user:admin',
          reason: 'revision 1',
          service: 'hello',
        },
      };
    },
  });
}

/** Each command that asks a controller, and what it prints. */
const rows: [words: string, said: RegExp, operation: string][] = [
  ['ls', /name +rev .*\n *hello +1 +fork +2\/2 .* online/, 'listServices'],
  ['status --instances', /hello#1 .*web-1 .*healthy/, 'listServices'],
  ['describe hello', /hello\n {2}revision +1[\s\S]*routes +port 30000[\s\S]*hello#0/, 'listRevisions'],
  ['logs hello', /out hello#0@web-1 你好/, 'getLogs'],
  ['events', /service\.deployed hello revision 1/, 'getEvents'],
  ['scale hello +1', /nothing to change/, 'scaleService'],
  ['reload hello', /done hello revision 2 is reloaded/, 'reloadService'],
  ['restart all', /done/, 'restartService'],
  ['rollback hello --to 1', /done/, 'rollbackService'],
  ['stop hello', /hello is stopped/, 'stopService'],
  ['start hello', /hello is running/, 'startService'],
  ['token create --ttl 10m --uses 1 --label zone=a', /DRVJ-1-x/, 'createJoinToken'],
  ['token ls', /k3v9x2ab +for ever/, 'listJoinTokens'],
  ['token revoke k3v9x2ab', /revoked/, 'revokeJoinToken'],
  ['node ls', /web-1 +node-1 +10\.0\.0\.1 +ready +eligible/, 'listNodes'],
  ['node drain web-1', /web-1 is empty/, 'updateNode'],
  ['node undrain web-1', /takes instances again/, 'updateNode'],
  ['node rm web-1', /no longer a node/, 'removeNode'],
  ['lock ls', /order:42 +lock +web-1\/i-1 +2\.3 s +7\.7 s +1 +850 ms +1763730000000000/, 'listLocks'],
  ['lock break order:42 1763730000000000', /no longer held under token 1763730000000000/, 'breakLock'],
  ['cron ls', /expire +\*\/5 \* \* \* \* +UTC +waiting +in \dm.* ago +3 +web-1\/i-1/, 'listCrons'],
  [
    'cron history expire',
    /2026-01-01T00:00:00\.000Z +schedule +web-1\/i-1 +1\.2 s +failed +no database/,
    'listCronRuns',
  ],
  ['cron run expire', /expire@2026-01-01T00:00:00\.000Z\.manual is asked for/, 'triggerCron'],
  ['cron pause expire', /expire is paused/, 'pauseCron'],
  ['cron resume expire', /runs again/, 'resumeCron'],
  ['port ls', /web-1 +adb +5555-5564 +5 +2 +1 +1 +1/, 'getPortUsage'],
  ['port ls web-1 --all', /web-1 +adb +5555 +orphaned +device-1 +web-1\/i-1/, 'listPorts'],
  ['doctor', /ok +leader: controller-1 \(term 3\)/, 'getCluster'],
  ['delete hello', /hello is deleted/, 'deleteService'],
];

test('each command does its operation, prints for people, and exits 0', async (t) => {
  const fake = await cluster(t);
  for (const [words, said, operation] of rows) {
    const { code, stdout, stderr } = await runCliProcess(t, words.split(' '), { urls: [fake.url] });
    assert.equal(code, 0, `${words}: ${stderr}`);
    assert.match(stdout, said, words);
    assert.ok(
      fake.calls.some((call) => call.operation === operation),
      `${words} calls ${operation}`,
    );
  }
  const body = fake.callsOf('createJoinToken')[0]!.body;
  assert.deepEqual(body, { ttlMs: 600_000, uses: 1, labels: { zone: 'a' } });
  assert.deepEqual(fake.callsOf('scaleService')[0]!.body, { instances: 3 });
  assert.deepEqual(fake.callsOf('rollbackService')[0]!.body, { to: 1 });
});

test('each command prints JSON that can be parsed with --json, before or after its name', async (t) => {
  const fake = await cluster(t);
  for (const [words] of rows) {
    const { code, objects, stderr } = await runCliHere(t, ['--json', ...words.split(' ')], { urls: [fake.url] });
    assert.equal(code, 0, `${words}: ${stderr}`);
    assert.ok(objects().length > 0, words);
  }
});

test('every command that asks a controller exits 7 when none answers, and 1 when nothing is configured', async (t) => {
  const dead = `http://127.0.0.1:${await ownPort()}`;
  const lost = await runCliHere(t, ['ls'], { urls: [dead] });
  assert.equal(lost.code, 7);
  assert.match(lost.stderr, /No controller answers.*CONTROLLER_UNREACHABLE/);
  const none = await runCliHere(t, ['ls']);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /No cluster is configured.*drover up.*--url/);
  const ill = await runCliHere(t, ['doctor'], { urls: [dead] });
  assert.equal(ill.code, 1);
  assert.match(ill.stdout, /fail controller .*nothing listens there/);
});

test('wrong usage exits 1 and says what may have been meant', async (t) => {
  const fake = await cluster(t);
  const cases: [string[], RegExp][] = [
    [['dploy'], /unknown command 'dploy' \(Did you mean deploy\?\)/],
    [['ls', '--instancse'], /unknown option '--instancse' \(Did you mean --instances\?\)/],
    [['describe'], /missing required argument 'service'/],
    [['logs', 'hello', '--lines', 'many'], /--lines: must be a whole number/],
    [['scale', 'hello', 'six'], /instances: must be a count/],
    [['deploy', '--timeout', 'soon'], /--timeout: "soon" is not a duration/],
    [['describe', 'helo'], /There is no service "helo"; did you mean hello\?.*SERVICE_NOT_FOUND/],
    [['node', 'drain', 'web-2'], /There is no node "web-2"; did you mean web-1\?/],
    [['ls', '--url', 'ftp://x'], /--url: "ftp:\/\/x" is not a url/],
    [['ls', '--token-file', '/nowhere'], /--token-file \/nowhere cannot be read/],
    [['agent', 'join', 'https://c:1'], /give both the url of a controller and --token-file/],
    [['controller', 'start'], /A controller needs a Redis/],
  ];
  for (const [words, said] of cases) {
    const { code, stderr } = await runCliHere(t, words, { urls: [fake.url] });
    assert.equal(code, 1, words.join(' '));
    assert.match(stderr, said, words.join(' '));
  }
  const json = await runCliHere(t, ['nonsense', '--json'], { urls: [fake.url] });
  assert.equal((JSON.parse(json.stderr) as { code: string }).code, 'ARGUMENT_INVALID');
});

test('a wrong token is refused by name', async (t) => {
  const fake = await cluster(t);
  const { code, stderr } = await runCliHere(t, ['ls'], { urls: [fake.url], env: { DROVER_TOKEN: 'wrong' } });
  assert.equal(code, 1);
  assert.match(stderr, /TOKEN_INVALID/);
});

test('tokens come from a file, from standard input, or from the config file, which only its owner may read', async (t) => {
  const fake = await cluster(t);
  const directory = tempDirectory(t);
  await writeFile(join(directory, 'token'), `${fakeToken}\n`);
  const env = { DROVER_TOKEN: '' };
  const urls = [fake.url];
  assert.equal((await runCliHere(t, ['ls', '--token-file', 'token'], { urls, env, cwd: directory })).code, 0);
  assert.equal((await runCliHere(t, ['ls', '--token-file', '-'], { urls, env, stdin: fakeToken })).code, 0);
  assert.equal(
    (await runCliHere(t, ['ls'], { urls, env: { ...env, DROVER_TOKEN_FILE: join(directory, 'token') } })).code,
    0,
  );

  const config = join(directory, 'sub/config.json');
  await saveCluster(config, 'test', { urls, token: fakeToken });
  assert.equal((await stat(config)).mode & 0o777, 0o600);
  assert.equal((await runCliHere(t, ['ls', '--config', config])).code, 0);
  // Its token is for its own controllers only.
  const other = await startFakeRest(t, { listServices: () => [], listNodes: () => [] });
  assert.equal((await runCliHere(t, ['ls', '--config', config, '--url', other.url])).code, 1);
});

test('an unhealthy instance and a rollout under way are told by the status of a service', async (t) => {
  const fake = await cluster(t);
  const unhealthy = sampleInstance({ status: { health: 'unhealthy', reason: 'GET /health answered 503' } });
  const exited = sampleInstance({ status: { state: 'stopped', health: 'unknown', finished: true, reason: 'code 0' } });
  const rolledBack = sampleInstance({ revision: 9, createdAt: 1e15, desired: 'stop', status: { state: 'stopped' } });
  const states: [ReturnType<typeof sampleService>, RegExp][] = [
    [sampleService({ instances: [exited] }), /0\/0 .*exited/],
    [sampleService({ instances: [exited, sampleInstance({ slot: 1 })] }), /1\/1 .*online/],
    [sampleService({ instances: [exited], startedAgain: [exited.id] }), /0\/0 .*down/],
    [sampleService({ instances: [exited, rolledBack] }), /0\/0 .*exited/],
    [sampleService({ instances: [unhealthy, sampleInstance({ slot: 1 })] }), /1\/2 .*degraded/],
    [sampleService({ instances: [unhealthy] }), /0\/1 .*down/],
    [sampleService({ deploymentId: 'deployment-1', deployment: sampleDeployment() }), /rolling/],
  ];
  for (const [service, said] of states) {
    fake.handlers.listServices = () => [service];
    assert.match((await runCliHere(t, ['ls'], { urls: [fake.url] })).stdout, said);
  }
  fake.handlers.listServices = () => [sampleService({ instances: [exited] })];
  assert.match((await runCliHere(t, ['ls', '--instances'], { urls: [fake.url] })).stdout, /hello#0 .* exited .*code 0/);
});

test('each command is found by its name alone, and is then the only one that is loaded', async () => {
  for (const { name } of commands) {
    const loaded = await loadCommandsFor([...name.split(' '), '--help']);
    assert.deepEqual(
      loaded.map((command) => command.name),
      [name],
    );
  }
  for (const words of [[], ['--help'], ['node'], ['constructor'], ['--url', 'ls', 'describe'], ['lst']]) {
    assert.equal((await loadCommandsFor(words)).length, commands.length, words.join(' '));
  }
});

test('every command has a summary, an example, and exit codes that are documented', () => {
  for (const { name, summary, examples, exitCodes: codes } of commands) {
    assert.ok(summary.length > 0 && !summary.endsWith('.'), name);
    assert.ok(
      examples.length > 0 &&
        examples.every(({ command }) => command.startsWith(`drover ${name}`) || name === 'node drain'),
      name,
    );
    assert.ok(
      codes.every((code) => code in exitCodes),
      name,
    );
  }
});

test('the help and the reference page name every command and option', async (t) => {
  const page = renderCliReference();
  for (const { name, options } of commands) {
    assert.ok(page.includes(`## drover ${name}\n`), name);
    for (const { flags } of Object.values(options)) assert.ok(page.includes(`\`${flags}\``), `${name} ${flags}`);
  }
  const { code, stdout } = await runCliHere(t, ['deploy', '--help']);
  assert.equal(code, 0);
  assert.match(
    stdout,
    /--if-revision[\s\S]*Examples:[\s\S]*Exit codes:[\s\S]*4 +the deployment failed and was rolled back/,
  );
});
