import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DroverError } from '../../../shared/contracts/drover-error.ts';
import type { Deployment } from '../../../shared/contracts/entities.ts';
import { eventually } from '../../support/eventually.ts';
import { type FakeRest, startFakeRest } from '../../support/fake-rest.ts';
import { runCliHere } from '../../support/run-cli-here.ts';
import { runCliProcess, startCli } from '../../support/run-cli-process.ts';
import {
  sampleDeployment,
  sampleInstance,
  sampleNode,
  samplePlan,
  sampleService,
} from '../../support/sample-entities.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

const accepted = { service: 'hello', revision: 2, deploymentId: 'deployment-1' };

const failure: Deployment['failures'][number] = {
  instanceId: 'i-bad',
  slot: 0,
  node: 'node-1',
  reason: 'exited with code 1 before it was ready',
  lastLines: Array.from({ length: 25 }, (_, index) => `log line ${index}`),
  probe: 'GET /health answered 503',
  at: 1,
};

/** A controller that takes a deploy and shows it rolling first, then as `end` says. */
async function deployable(t: TestContext, end: Partial<Deployment>): Promise<FakeRest> {
  let looks = 0;
  return startFakeRest(t, {
    listNodes: () => [sampleNode()],
    planService: ({ params }) => samplePlan({ service: params.name! }),
    getArtifact() {
      throw new DroverError('ARTIFACT_NOT_FOUND', 'There is no such artifact');
    },
    putArtifact: ({ params, body }) => ({ digest: params.digest, bytes: (body as Buffer).length, createdAt: 1 }),
    putService: ({ params }) => ({ ...accepted, service: params.name }),
    getDeployment() {
      looks += 1;
      return sampleDeployment(looks === 1 ? {} : end);
    },
    getService: () =>
      sampleService({
        instances: [
          sampleInstance({
            revision: 2,
            deploymentId: 'deployment-1',
            status: looks < 2 ? { state: 'starting', health: 'unknown' } : {},
          }),
        ],
      }),
  });
}

async function project(t: TestContext, app: Record<string, unknown> = {}): Promise<string> {
  const directory = tempDirectory(t);
  const apps = [{ name: 'hello', script: 'server.js', ...app }];
  await writeFile(join(directory, 'ecosystem.config.cjs'), `module.exports = ${JSON.stringify({ apps })};`);
  await writeFile(join(directory, 'server.js'), 'setInterval(() => {}, 1000);');
  return directory;
}

const succeeded: Partial<Deployment> = { state: 'succeeded', progress: { total: 1, updated: 1, healthy: 1 } };

test('a deploy shows the plan, uploads once, follows to the end, and exits 0', async (t) => {
  const fake = await deployable(t, succeeded);
  const { code, stdout, stderr } = await runCliProcess(t, ['deploy'], { urls: [fake.url], cwd: await project(t) });
  assert.equal(code, 0, stderr);
  assert.match(
    stdout,
    /hello \(now at revision 1\)[\s\S]*replaces every instance[\s\S]*hello#0 \(revision 2\) on web-1 starting[\s\S]*healthy[\s\S]*done hello revision 2 is deployed/,
  );
  assert.match(stderr, /packed 2 files/);
  const [put] = fake.callsOf('putService');
  const digest = fake.callsOf('putArtifact')[0]!.params.digest;
  assert.equal((put!.body as { artifact: string }).artifact, digest);

  fake.handlers.getArtifact = () => ({ digest, bytes: 1, createdAt: 1 });
  await runCliProcess(t, ['deploy'], { urls: [fake.url], cwd: await project(t) });
  assert.equal(fake.callsOf('putArtifact').length, 1, 'an artifact that is there is not sent again');
});

const ends: [string, Partial<Deployment>, number, RegExp][] = [
  ['rolled back', { state: 'rolled-back', failures: [failure], reason: 'instance failed' }, 4, /back on revision 1/],
  [
    'rolled back with another count alone',
    { kind: 'scale', state: 'rolled-back', failures: [failure] },
    4,
    /could not be scaled; it has as many instances as before/,
  ],
  [
    'failed with nothing to go back to',
    { state: 'failed', failures: [failure], reason: 'instance failed' },
    5,
    /failed: instance failed/,
  ],
  ['paused', { state: 'paused', failures: [failure], reason: 'as update.failure_action says' }, 5, /is paused/],
  [
    'without a place',
    { state: 'failed', failures: [{ ...failure, reason: 'placement: 1 node lacks memory' }] },
    3,
    /failed/,
  ],
  ['superseded', { state: 'superseded', reason: 'by deployment-2' }, 6, /superseded/],
];
for (const [title, end, exit, said] of ends) {
  test(`a deployment that ends ${title} exits ${exit}, with --json too`, async (t) => {
    const [fake, again] = [await deployable(t, end), await deployable(t, end)];
    const cwd = await project(t);
    const { code, stdout } = await runCliHere(t, ['deploy', '--yes'], { urls: [fake.url], cwd });
    assert.equal(code, exit);
    assert.match(stdout, said);
    const json = await runCliHere(t, ['deploy', '--json'], { urls: [again.url], cwd });
    assert.equal(json.code, exit);
    const summary = json.objects().at(-1)!;
    assert.deepEqual([summary.type, summary.state, summary.exitCode], ['summary', end.state, exit]);
  });
}

test('a failed instance is shown with its node, reason, probe and last 20 log lines', async (t) => {
  const fake = await deployable(t, { state: 'rolled-back', failures: [failure] });
  const { stdout } = await runCliHere(t, ['deploy'], { urls: [fake.url], cwd: await project(t) });
  assert.match(
    stdout,
    /hello#0 \(i-bad\) on web-1\n {2}reason: exited with code 1[^\n]*\n {2}probe: {2}GET \/health answered 503/,
  );
  assert.ok(!stdout.includes('log line 4\n') && stdout.includes('log line 5\n') && stdout.includes('log line 24\n'));
});

test('a deploy for which there is no place changes nothing and exits 3', async (t) => {
  const fake = await deployable(t, succeeded);
  fake.handlers.planService = () => samplePlan({ placements: [{ slot: 0, node: null, reason: '1 node: 1 draining' }] });
  const { code, stderr } = await runCliHere(t, ['deploy'], { urls: [fake.url], cwd: await project(t) });
  assert.equal(code, 3);
  assert.match(stderr, /No node can take hello#0: 1 node: 1 draining/);
  assert.deepEqual([fake.callsOf('putService').length, fake.callsOf('putArtifact').length], [0, 0]);
});

test('wrong files are refused before anything is asked of the cluster', async (t) => {
  const fake = await deployable(t, succeeded);
  const cases: [string, Record<string, unknown>, RegExp][] = [
    ['unknown field', { max_restart: 3 }, /apps\[0\]\.max_restart: is not a known field; did you mean max_restarts\?/],
    [
      'missing script',
      { script: 'servr.js' },
      /apps\[0\]\.script: servr\.js is not among the 2 packed files.*did you mean server\.js\?/,
    ],
  ];
  for (const [, app, said] of cases) {
    const { code, stderr } = await runCliHere(t, ['deploy'], { urls: [fake.url], cwd: await project(t, app) });
    assert.equal(code, 1);
    assert.match(stderr, said);
  }
  const empty = await runCliHere(t, ['deploy'], { urls: [fake.url], cwd: tempDirectory(t) });
  assert.equal(empty.code, 1);
  assert.match(empty.stderr, /There is no ecosystem file in/);
  assert.equal(fake.calls.length, 0);
});

test('a file that throws is named with its own line', async (t) => {
  const fake = await deployable(t, succeeded);
  const cwd = tempDirectory(t);
  await writeFile(join(cwd, 'ecosystem.config.cjs'), "const a = 1;\nthrow new TypeError('no such setting');\n");
  const { code, stderr } = await runCliProcess(t, ['deploy', '--json'], { urls: [fake.url], cwd });
  assert.equal(code, 1);
  const problem = JSON.parse(stderr) as { code: string; detail: string };
  assert.equal(problem.code, 'FILE_INVALID');
  assert.match(problem.detail, /ecosystem\.config\.cjs:2 cannot be loaded: TypeError: no such setting/);
});

test('a file that throws is told whole, each further line under the first, and without a stack', async (t) => {
  const fake = await deployable(t, succeeded);
  const cwd = tempDirectory(t);
  const cases: [string, RegExp][] = [
    [
      "throw new Error('Settings are missing:\\n- DATABASE_URL\\n- REDIS_URL\\n');",
      /config\.cjs:1 cannot be loaded: Error: Settings are missing:\n {2}- DATABASE_URL\n {2}- REDIS_URL \[FILE_INVALID\]\n$/,
    ],
    ['module.exports = {\n  apps: [ }\n};', /config\.cjs:2 cannot be loaded: SyntaxError: Unexpected token '}' \[/],
    [
      "require('./settings');",
      /config\.cjs:1 cannot be loaded: Error: Cannot find module '\.\/settings' \[FILE_INVALID\]\n$/,
    ],
    ["process.loadEnvFile('.env.production');", /config\.cjs:1 cannot be loaded: .*open '\.env\.production' \[/],
    ["throw { code: 'NO_SETTINGS' };", /cannot be loaded: it throws { code: 'NO_SETTINGS' } \[/],
    ['throw Object.create(null);', /cannot be loaded: it throws \[Object: null prototype\] {} \[/],
  ];
  for (const [content, said] of cases) {
    await writeFile(join(cwd, 'ecosystem.config.cjs'), `${content}\n`);
    const { code, stderr } = await runCliHere(t, ['deploy'], { urls: [fake.url], cwd });
    assert.equal(code, 1);
    assert.match(stderr, said);
    assert.doesNotMatch(stderr, /\n\s+at /);
  }
});

test('ecosystem files may be ES modules, JSON, YAML and package.json', async (t) => {
  const fake = await deployable(t, succeeded);
  const app = { name: 'hello', script: 'server.js' };
  const files: [string, string][] = [
    ['ecosystem.config.mjs', `export default ${JSON.stringify({ apps: [app] })};`],
    ['ecosystem.config.json', JSON.stringify({ apps: [app] })],
    ['ecosystem.config.yaml', 'apps:\n  - name: hello\n    script: server.js\n'],
    ['package.json', JSON.stringify({ name: 'x', version: '1.0.0', pm2: [app] })],
  ];
  const cwd = tempDirectory(t);
  await writeFile(join(cwd, 'server.js'), '');
  for (const [name, content] of files) {
    await writeFile(join(cwd, name), content);
    const { code, stderr } = await runCliHere(t, ['plan', name, '--json'], { urls: [fake.url], cwd });
    assert.equal(code, 0, `${name}: ${stderr}`);
  }
});

test('Ctrl-C detaches with 130 and says how to go on; the deployment is not touched', async (t) => {
  const fake = await deployable(t, { state: 'rolling' });
  const cli = startCli(t, ['deploy'], { urls: [fake.url], cwd: await project(t) });
  await eventually(() => assert.match(cli.stdout(), /deployment rolling/), { timeoutMs: 15_000 });
  cli.child.kill('SIGINT');
  const { code, stdout } = await cli.ended;
  assert.equal(code, 130);
  assert.match(stdout, /Detached[\s\S]*drover describe hello[\s\S]*drover rollback hello/);
});

test('following outlives the death of a controller', async (t) => {
  const fake = await deployable(t, { state: 'rolling' });
  const cli = startCli(t, ['deploy', '--json'], { urls: [fake.url], cwd: await project(t) });
  await eventually(() => assert.match(cli.stdout(), /"type":"deployment"/), { timeoutMs: 15_000 });
  await fake.kill();
  await eventually(() => assert.match(cli.stdout(), /waiting for a controller/), { timeoutMs: 15_000 });
  fake.handlers.getDeployment = () => sampleDeployment(succeeded);
  await fake.revive();
  const result = await cli.ended;
  assert.equal(result.code, 0);
  assert.ok(result.objects().some(({ type }) => type === 'reconnected'));
});

test('--detach returns at once, --timeout ends the following, --if-revision is passed on and its conflict exits 6', async (t) => {
  const fake = await deployable(t, { state: 'rolling' });
  const cwd = await project(t);
  const detached = await runCliHere(t, ['deploy', '--detach'], { urls: [fake.url], cwd });
  assert.equal(detached.code, 0);
  const timed = await runCliHere(t, ['deploy', '--timeout', '300ms'], { urls: [fake.url], cwd });
  assert.equal(timed.code, 130);
  fake.handlers.putService = ({ body }) => {
    throw new DroverError('REVISION_CONFLICT', `not ${(body as { ifRevision: number }).ifRevision}`);
  };
  const conflict = await runCliHere(t, ['deploy', '--if-revision', '7'], { urls: [fake.url], cwd });
  assert.equal(conflict.code, 6);
  assert.match(conflict.stderr, /not 7/);
});

test('several services are deployed in the order of the file, up to the first failure', async (t) => {
  const fake = await deployable(t, { state: 'rolled-back', failures: [failure] });
  const cwd = tempDirectory(t);
  await writeFile(join(cwd, 'server.js'), '');
  const apps = ['one', 'two'].map((name) => ({ name, script: 'server.js' }));
  await writeFile(join(cwd, 'ecosystem.config.json'), JSON.stringify({ apps }));
  assert.equal((await runCliHere(t, ['deploy'], { urls: [fake.url], cwd })).code, 4);
  assert.deepEqual(
    fake.callsOf('putService').map(({ params }) => params.name),
    ['one'],
  );
  const only = await runCliHere(t, ['deploy', '--only', 'two'], { urls: [fake.url], cwd });
  assert.equal(only.code, 4);
  assert.equal(fake.callsOf('putService').at(-1)!.params.name, 'two');
});
