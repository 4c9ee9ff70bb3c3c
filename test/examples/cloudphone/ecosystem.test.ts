import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../../architecture/source-tree.ts';

const reader = `
const { loadFile } = await import(process.argv[1]);
try {
  const { services, notes } = await loadFile(process.argv[2], { directory: '.' });
  console.log(JSON.stringify({ specs: services.map(({ spec }) => spec), notes }));
} catch ({ message }) {
  console.log(JSON.stringify({ message }));
}`;

interface Spec {
  readonly name: string;
  readonly env: Record<string, string>;
  readonly scale: { readonly instances: number; readonly hosts?: string };
  readonly routes: readonly { readonly port: number }[];
  readonly treekill: boolean;
  readonly killTimeoutMs: number;
}

/** Reads an ecosystem file as `drover deploy` does, with nothing else in the environment. */
function load(variant: string, env: Record<string, string> = {}) {
  const file = join(root, `examples/cloudphone/ecosystem.config.${variant}.js`);
  const args = ['--input-type=module', '-e', reader, join(root, 'cli/file/load-file.ts'), file];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
  assert.notEqual(stdout, '', stderr);
  return JSON.parse(stdout) as { specs?: Spec[]; notes?: string[]; message?: string };
}

const production = {
  DATABASE_URL: 'postgres://cloudphone:secret-1@db/cloudphone',
  STORE: 's3://apps?endpoint=https://store',
  PAYMENT_SECRET: 'secret-2',
  TOKEN_SECRET: 'secret-3',
};

test('both files describe six services with more than one instance each, at the ports of the platform', () => {
  for (const [variant, env] of [
    ['development', {}],
    ['production', production],
  ] as const) {
    const { specs, notes, message } = load(variant, env);
    assert.equal(message, undefined);
    assert.deepEqual(notes, []);
    const ports = specs!.map(({ name, routes }) => [name, routes[0]?.port]);
    assert.deepEqual(Object.fromEntries(ports), {
      'api-gateway': 30_000,
      'user-service': 30_001,
      'device-service': 30_002,
      'app-service': 30_003,
      'billing-service': 30_005,
      'notification-service': 30_006,
    });
    for (const { name, scale } of specs!) assert.ok(scale.instances > 1 || scale.hosts === 'all', name);
    assert.equal(specs!.find(({ name }) => name === 'api-gateway')!.scale.instances, 4);
    assert.equal(specs!.find(({ name }) => name === 'device-service')!.treekill, false);
    // Clients are sent elsewhere over ten seconds.
    assert.ok(specs!.find(({ name }) => name === 'notification-service')!.killTimeoutMs > 10_000);
  }
});

test('PLATFORM_PORT moves all ports', () => {
  const { specs } = load('development', { PLATFORM_PORT: '31000' });
  const ports = specs!.map(({ routes }) => routes[0]?.port);
  assert.deepEqual(ports, [31_000, 31_001, 31_002, 31_003, 31_005, 31_006]);
});

test('production names all that is missing, and takes no SQLite', () => {
  const { message } = load('production', { STORE: 'dir:/mnt/apps' });
  for (const name of ['DATABASE_URL', 'PAYMENT_SECRET', 'TOKEN_SECRET'])
    assert.match(message!, new RegExp(`${name} \\(`));
  assert.doesNotMatch(message!, /STORE \(/);
  assert.match(
    load('production', { ...production, DATABASE_URL: 'sqlite:file.db' }).message!,
    /DATABASE_URL.*postgres/,
  );
});

test('a service has the secrets that it needs, and no others', () => {
  const { specs } = load('production', { ...production, DATABASE_POOL_SIZE: '4' });
  const holders = (secret: string) =>
    specs!.filter(({ env }) => JSON.stringify(env).includes(secret)).map(({ name }) => name);
  assert.deepEqual(holders('secret-1'), ['user-service', 'device-service', 'app-service', 'billing-service']);
  assert.deepEqual(holders('secret-2'), ['billing-service']);
  assert.deepEqual(holders('secret-3'), ['user-service']);
  for (const { env } of specs!) {
    assert.equal(env.AUTH, 'required');
    // Who knows how many connections the database takes is the one who deploys.
    assert.equal(env.DATABASE_POOL_SIZE, env.DATABASE_URL === undefined ? undefined : '4');
  }
});
