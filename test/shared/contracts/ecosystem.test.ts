import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type DroverError, isDroverError } from '../../../shared/contracts/drover-error.ts';
import { spellings } from '../../../shared/contracts/ecosystem/field.ts';
import { pm2Fields } from '../../../shared/contracts/ecosystem/pm2-fields.ts';
import { parseEcosystem } from '../../../shared/contracts/ecosystem.ts';
import type { ServiceSpec } from '../../../shared/contracts/spec.ts';

const file = '/srv/app/ecosystem.config.js';

function read(
  app: Record<string, unknown>,
  options: { env?: string } = {},
): { spec: ServiceSpec; notes: readonly string[] } {
  const { services, notes } = parseEcosystem(
    { apps: [{ name: 'api', script: 'server.js', ...app }] },
    { file, ...options },
  );
  return { spec: services[0]!.spec, notes };
}

function refusal(value: unknown, options: { env?: string; only?: string[] } = {}): DroverError {
  try {
    parseEcosystem(value, { file, ...options });
  } catch (error) {
    if (isDroverError(error)) return error;
    throw error;
  }
  throw new Error('The file was accepted');
}

/** One row for each field of PM2: a value, and what becomes of it. */
const rows: Record<
  string,
  { value: unknown; spec?: (spec: ServiceSpec) => unknown; is?: unknown; notes?: RegExp; refused?: RegExp }
> = {
  script: { value: './bin/www', spec: (spec) => spec.script, is: './bin/www' },
  name: { value: 'web', spec: (spec) => spec.name, is: 'web' },
  name_prefix: { value: 'team', spec: (spec) => spec.name, is: 'team-api', notes: /team-api/ },
  append_env_to_name: { value: true, spec: (spec) => spec.name, is: 'api' },
  namespace: { value: 'shop', notes: /no namespaces/ },
  cwd: { value: '/srv/app/backend', spec: (spec) => spec.cwd, is: 'backend' },
  args: { value: "--mode 'two words'", spec: (spec) => spec.args, is: ['--mode', 'two words'] },
  interpreter: { value: 'python3', spec: (spec) => spec.interpreter, is: 'python3' },
  node_args: {
    value: '--inspect=0 --no-warnings',
    spec: (spec) => spec.nodeArgs,
    is: ['--inspect=0', '--no-warnings'],
  },
  exec_mode: { value: 'cluster_mode', spec: (spec) => spec.execMode, is: 'cluster' },
  instances: { value: 4, spec: (spec) => spec.scale, is: { instances: 4 }, notes: /without exec_mode/ },
  execute_command: { value: true, spec: (spec) => spec.execMode, is: 'fork' },
  port: { value: 3000, spec: (spec) => spec.routes, is: [{ port: 3000 }], notes: /became the route/ },
  increment_var: { value: 'N', spec: (spec) => spec.incrementVar, is: 'N' },
  instance_var: { value: 'ID', spec: (spec) => spec.instanceVar, is: 'ID' },
  env: { value: { A: 1, B: true, C: null }, spec: (spec) => spec.env, is: { A: '1', B: 'true' } },
  filter_env: { value: ['SECRET'], notes: /only the environment that the file names/ },
  out_file: { value: 'out.log', notes: /drover logs/ },
  error_file: { value: 'err.log', notes: /drover logs/ },
  log_file: { value: true, notes: /drover logs/ },
  pid_file: { value: 'api.pid', notes: /process identities/ },
  merge_logs: { value: true },
  disable_logs: { value: true, notes: /always kept/ },
  log_type: { value: 'json', notes: /--json/ },
  log_date_format: { value: 'YYYY', spec: (spec) => spec.logs.time, is: true, notes: /ISO 8601/ },
  time: { value: true, spec: (spec) => spec.logs.time, is: true },
  autostart: { value: false, notes: /drover stop/ },
  autorestart: { value: false, spec: (spec) => spec.restart.autorestart, is: false },
  restart_delay: { value: 250, spec: (spec) => spec.restart.restartDelayMs, is: 250 },
  exp_backoff_restart_delay: { value: 100, spec: (spec) => spec.restart.expBackoffRestartDelayMs, is: 100 },
  min_uptime: { value: '10s', spec: (spec) => spec.restart.minUptimeMs, is: 10_000 },
  max_restarts: { value: '5', spec: (spec) => spec.restart.maxRestarts, is: 5 },
  stop_exit_codes: { value: 3, spec: (spec) => spec.restart.stopExitCodes, is: [3] },
  max_memory_restart: { value: '200M', spec: (spec) => spec.maxMemoryBytes, is: 209_715_200 },
  cron_restart: { value: '0 0 * * *', notes: /schedule/ },
  watch: { value: true, notes: /by a deploy/ },
  ignore_watch: { value: ['logs'] },
  watch_delay: { value: 100 },
  watch_options: { value: {} },
  kill_timeout: { value: 5000, spec: (spec) => spec.killTimeoutMs, is: 5_000 },
  kill_retry_time: { value: 50, notes: /nothing polls/ },
  treekill: { value: false, spec: (spec) => spec.treekill, is: false },
  shutdown_with_message: { value: true, spec: (spec) => spec.shutdownWithMessage, is: true },
  wait_ready: { value: true, spec: (spec) => spec.waitReady, is: true },
  listen_timeout: { value: 8000, spec: (spec) => spec.listenTimeoutMs, is: 8_000 },
  force: { value: true, notes: /twice changes nothing/ },
  uid: { value: 'www-data', refused: /user of the agent/ },
  gid: { value: 33, refused: /group of the agent/ },
  username: { value: 'deploy', notes: /only shown/ },
  source_map_support: { value: true, spec: (spec) => spec.nodeArgs, is: ['--enable-source-maps'] },
  disable_source_map_support: { value: true },
  vizion: { value: true, notes: /revision and its artifact/ },
  pmx: { value: true, notes: /injects nothing/ },
  automation: { value: true, notes: /injects nothing/ },
  trace: { value: true, notes: /injects nothing/ },
  disable_trace: { value: true },
  v8: { value: true, notes: /injects nothing/ },
  event_loop_inspector: { value: true, notes: /injects nothing/ },
  deep_monitoring: { value: true, notes: /injects nothing/ },
  io: { value: { conf: {} }, notes: /injects nothing/ },
  post_update: { value: ['npm install'], notes: /npm ci/ },
  install_url: { value: 'x', notes: /no modules/ },
  windowsHide: { value: true },
  write: { value: true, notes: /never written/ },
};

describe('fields of PM2', () => {
  test('each of the 64 named fields is known, and has a row here', () => {
    assert.deepEqual(Object.keys(rows).sort(), Object.keys(pm2Fields).sort());
    assert.equal(Object.keys(pm2Fields).length, 64);
  });

  for (const [field, { value, spec, is, notes, refused }] of Object.entries(rows)) {
    const fate = refused ? 'is refused' : spec ? 'is taken over' : notes ? 'is accepted with a note' : 'is accepted';
    test(`${field} ${fate}, in each of its spellings`, () => {
      for (const spelling of spellings(field, pm2Fields[field as keyof typeof pm2Fields])) {
        const base =
          field === 'name' || field === 'script'
            ? { script: 'a.js', name: 'a', [field]: undefined }
            : { script: 'a.js', name: 'api' };
        const app = { apps: [{ ...base, [spelling]: value }] };
        if (refused !== undefined) {
          assert.match(refusal(app).issues[0]!.reason, refused);
          continue;
        }
        const read = parseEcosystem(app, { file });
        if (spec !== undefined) assert.deepEqual(spec(read.services[0]!.spec), is, spelling);
        if (notes === undefined) assert.deepEqual(read.notes, [], spelling);
        else assert.match(read.notes.join('\n'), notes, spelling);
      }
    });
  }

  test('values that ask for what is so anyway make no note', () => {
    const { notes } = read({
      watch: false,
      vizion: false,
      autostart: true,
      namespace: 'default',
      cron_restart: 0,
      pmx: false,
    });
    assert.deepEqual(notes, []);
  });
});

describe('the environment', () => {
  test('env_<name> is laid over env only when it is asked for', () => {
    const app = { env: { A: 'a', B: 'b' }, env_production: { B: 'p' } };
    assert.deepEqual(read(app).spec.env, { A: 'a', B: 'b' });
    assert.deepEqual(read(app, { env: 'production' }).spec.env, { A: 'a', B: 'p' });
  });

  test('an --env that no app has is refused with those there are', () => {
    const error = refusal({ apps: [{ script: 'a.js', env_staging: {} }] }, { env: 'stagin' });
    assert.equal(error.issues[0]!.allowed, '--env staging');
  });

  test('a PORT becomes a route, because each instance has a port of its own', () => {
    const { spec, notes } = read({ env: { PORT: '8081', A: 'a' } });
    assert.deepEqual(spec.routes, [{ port: 8081 }]);
    assert.deepEqual(spec.env, { A: 'a' });
    assert.match(notes.join(), /apps\[0\]\.env\.PORT became the route/);
  });

  test('an object as a value is refused and named', () => {
    const error = refusal({ apps: [{ script: 'a.js', env: { DB: { host: 'x' } } }] });
    assert.equal(error.issues[0]!.path, 'apps[0].env.DB');
  });
});

describe('how many', () => {
  const cases: [Record<string, unknown>, unknown][] = [
    [{ instances: 'max' }, { instances: 'max' }],
    [{ instances: 0 }, { instances: 'max' }],
    [{ instances: -1 }, { instances: 'max' }],
    [{ instances: '3' }, { instances: 3 }],
    [
      { instances: 2, hosts: 'all' },
      { instances: 2, hosts: 'all' },
    ],
    [
      { instances: 2, hosts: 3 },
      { instances: 2, hosts: 3 },
    ],
    [{}, { instances: 1 }],
  ];
  for (const [app, scale] of cases) {
    test(`${JSON.stringify(app)} is the scale ${JSON.stringify(scale)}`, () =>
      assert.deepEqual(read(app).spec.scale, scale));
  }
});

describe('our own fields', () => {
  test('probes are written as a path, as an object, as TCP, or as guides for PM2 write them', () => {
    assert.deepEqual(read({ health: '/ok' }).spec.health.probe, { type: 'http', path: '/ok' });
    const full = read({
      health: { path: '/h', status: 204, interval: '5s', timeout: 900, failures: 2, restart_after: '1m' },
    });
    assert.deepEqual(full.spec.health, {
      probe: { type: 'http', path: '/h', status: 204 },
      intervalMs: 5_000,
      timeoutMs: 900,
      failures: 2,
      restartAfterMs: 60_000,
    });
    assert.deepEqual(read({ health: { tcp: true } }).spec.health.probe, { type: 'tcp' });
    const { spec, notes } = read({ health_check: { enable: true, interval: 30_000, path: '/health' } });
    assert.deepEqual([spec.health.probe, spec.health.intervalMs], [{ type: 'http', path: '/health' }, 30_000]);
    assert.match(notes.join(), /is read as health/);
    assert.equal(read({ health_check: { enable: false } }).spec.health.probe, undefined);
  });

  test('groups take snake_case, camelCase and the names of the spec', () => {
    for (const name of ['max_parallel', 'maxParallel'])
      assert.equal(read({ update: { [name]: 2 } }).spec.update.maxParallel, 2);
    for (const name of ['min_healthy', 'minHealthy', 'minHealthyMs']) {
      assert.equal(read({ update: { [name]: '2s' } }).spec.update.minHealthyMs, 2_000);
    }
    const { placement, logs } = read({
      placement: { constraints: 'node.labels.zone == a', resources: { cpu: 0.5, memory: '256M' } },
      logs: { max_size: '1M', max_files: 2 },
      time: true,
    }).spec;
    assert.deepEqual(
      [placement.constraints, placement.resources],
      [['node.labels.zone == a'], { cpu: 0.5, memoryBytes: 268_435_456 }],
    );
    assert.deepEqual(logs, { maxFileBytes: 1_048_576, maxFiles: 2, time: true });
  });

  test('ready means listening where there is a route or a probe, unless the file says otherwise', () => {
    assert.equal(read({}).spec.expectListen, false);
    assert.equal(read({ route: 3000 }).spec.expectListen, true);
    assert.equal(read({ health: '/' }).spec.expectListen, true);
    assert.equal(read({ route: 3000, expect_listen: false }).spec.expectListen, false);
  });
});

describe('mistakes', () => {
  const cases: [string, unknown, { path: string; reason: RegExp }][] = [
    ['an unknown field', { max_restart: 3 }, { path: 'apps[0].max_restart', reason: /did you mean max_restarts\?/ }],
    [
      'an unknown field of a group',
      { update: { max_paralel: 3 } },
      { path: 'apps[0].update.max_paralel', reason: /did you mean max_parallel\?/ },
    ],
    [
      'a field twice',
      { kill_timeout: 1, killTimeout: 2 },
      { path: 'apps[0].killTimeout', reason: /another spelling of kill_timeout/ },
    ],
    ['a wrong type', { wait_ready: 'yes' }, { path: 'apps[0].wait_ready', reason: /neither true nor false/ }],
    ['a wrong size', { max_memory_restart: '1 lot' }, { path: 'apps[0].max_memory_restart', reason: /not a size/ }],
    [
      'a value out of range, under the spelling of the file',
      { killTimeout: '9999h' },
      { path: 'apps[0].killTimeout', reason: /./ },
    ],
    ['a route without a destination', { routes: [{ port: 99_999 }] }, { path: 'apps[0].routes[0].port', reason: /./ }],
    ['an unclosed quote', { args: '"a b' }, { path: 'apps[0].args', reason: /unclosed/ }],
    ['a name with a space', { name: 'my api' }, { path: 'apps[0].name', reason: /letters, digits/ }],
    [
      'a constraint that is none',
      { placement: { constraints: ['zone=a'] } },
      { path: 'apps[0].placement.constraints[0]', reason: /must read like/ },
    ],
  ];
  for (const [title, app, { path, reason }] of cases) {
    test(`${title} is refused with its place`, () => {
      const error = refusal({ apps: [{ name: 'api', script: 'server.js', ...(app as object) }] });
      assert.equal(error.code, 'FILE_INVALID');
      assert.match(error.message, /ecosystem\.config\.js/);
      assert.equal(error.issues[0]!.path, path);
      assert.match(error.issues[0]!.reason, reason);
      assert.equal(error.issues.length, 1);
    });
  }

  test('all mistakes of a file are told at once', () => {
    const error = refusal({ apps: [{ script: 'a.js', watchh: 1 }, { instances: 'many' }] });
    assert.deepEqual(
      error.issues.map(({ path }) => path),
      ['apps[0].watchh', 'apps[1].script', 'apps[1].instances'],
    );
  });

  test('a missing script, an empty list, a wrong top level and two apps of one name are refused', () => {
    assert.match(refusal({ apps: [{ name: 'a' }] }).issues[0]!.path, /apps\[0\]\.script/);
    assert.match(refusal({ apps: [] }).message, /is empty/);
    assert.match(refusal({ app: [] }).message, /did you mean apps\?/);
    assert.match(refusal('text').message, /the file holds "text"/);
    assert.match(refusal({ apps: [{ script: 'a.js' }, { script: 'b/a.js' }] }).message, /name of apps\[0\] too/);
  });

  test('--only names services of the file, or is refused with those there are', () => {
    const value = { apps: [{ script: 'a.js' }, { script: 'b.js', watch: true }] };
    const { services, notes } = parseEcosystem(value, { file, only: ['a'] });
    assert.deepEqual([services.map(({ spec }) => spec.name), notes], [['a'], []]);
    assert.equal(refusal(value, { only: ['c'] }).issues[0]!.allowed, 'a, b');
  });
});

test('an array, one app alone and the key pm2 are files too', () => {
  for (const value of [
    [{ script: 'a.js' }],
    { script: 'a.js' },
    { pm2: [{ script: 'a.js' }] },
    { apps: { script: 'a.js' } },
  ]) {
    assert.equal(parseEcosystem(value, { file }).services[0]!.spec.name, 'a');
  }
});

test('a shell line runs in a shell, with its arguments', () => {
  const { spec } = read({ script: 'node a.js | tee log', args: ['x'] });
  assert.deepEqual(
    [spec.script, spec.interpreter, spec.args],
    ['bash', 'none', ['-c', 'node a.js | tee log "$@"', 'bash', 'x']],
  );
});
