import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';

const root = path.resolve(import.meta.dirname, '../..');
const setup = path.join(root, 'scripts/setup.mjs');

type Missing = { required: string[]; optional: string[]; hint?: string };
type DebianPackages = { installDebianPackages: (missing: Missing, dependencies: object) => void };
type NodeModules = { whyNodeModulesAreStale: (root: string, nodePath: string) => string | null };

const { installDebianPackages } = (await load('setup/debian-packages.mjs')) as DebianPackages;
const { whyNodeModulesAreStale } = (await load('setup/node-modules.mjs')) as NodeModules;

test('set-up says nothing and changes nothing where everything is there', () => {
  const result = spawnSync(process.execPath, [setup, '--with', 'redis-server'], { encoding: 'utf8' });
  assert.deepEqual([result.status, result.stdout, result.stderr], [0, '', '']);
});

test('set-up refuses a package that it does not know, and names those it knows', () => {
  const result = spawnSync(process.execPath, [setup, '--with', 'emacs'], { encoding: 'utf8' });
  assert.equal(result.status, 1);
  assert.match(result.stderr, /^set-up: unknown package emacs; set-up knows redis-server, haproxy/);
});

test('without root a missing package is an error with the command to run', (t) => {
  pretendToBeUser(t);
  assert.throws(() => installDebianPackages({ required: ['redis-server'], optional: [], hint: '\n  or wait' }, {}), {
    name: 'SetupError',
    message: /only root may install[\s\S]*sudo apt-get install -y redis-server\n {2}or wait$/,
  });
});

test('without root a package that is only wanted is named loudly and set-up goes on', (t) => {
  pretendToBeUser(t);
  const write = t.mock.method(process.stderr, 'write', () => true);
  installDebianPackages({ required: [], optional: ['haproxy'] }, {});
  assert.match(String(write.mock.calls[0]?.arguments[0]), /WITHOUT haproxy.*\n.*apt-get install -y haproxy/);
});

const lockText = JSON.stringify({
  packages: { '': {}, 'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' } },
});

test('packages are installed when node_modules is missing', (t) => {
  const folder = temporaryTree(t, {});
  assert.match(String(stale(folder)), /node_modules is missing/);
});

test('packages are installed when Node 24 is missing from node_modules', (t) => {
  const folder = temporaryTree(t, { 'node_modules/.package-lock.json': lockText });
  assert.match(String(stale(folder)), /Node 24 is missing/);
});

test('packages are installed when the lock file asks for another version', (t) => {
  const folder = temporaryTree(t, {
    'node_modules/node/bin/node': '',
    'node_modules/.package-lock.json': lockText.replace('1.0.0', '0.9.0'),
  });
  assert.match(String(stale(folder)), /does not fit package-lock\.json/);
});

test('packages that a developer installed with npm install are recognised', (t) => {
  const folder = temporaryTree(t, { 'node_modules/node/bin/node': '', 'node_modules/.package-lock.json': lockText });
  assert.equal(stale(folder), null);
});

test('a changed lock file is noticed after a set-up that fitted', (t) => {
  const folder = temporaryTree(t, { 'node_modules/node/bin/node': '', 'node_modules/.package-lock.json': lockText });
  assert.equal(stale(folder), null);
  writeFileSync(path.join(folder, 'package-lock.json'), lockText.replace('1.0.0', '1.1.0'));
  assert.match(String(stale(folder)), /does not fit/);
});

test('set-up runs when it is called through a symbolic link', (t) => {
  const folder = temporaryTree(t, {});
  symlinkSync(setup, path.join(folder, 'setup.mjs'));
  const result = spawnSync(process.execPath, [path.join(folder, 'setup.mjs'), '--unknown'], { encoding: 'utf8' });
  assert.match(result.stderr, /unknown argument --unknown/);
});

function stale(folder: string): string | null {
  return whyNodeModulesAreStale(folder, path.join(folder, 'node_modules/node/bin/node'));
}

function temporaryTree(t: TestContext, files: Record<string, string>): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'drover-setup-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries({ 'package-lock.json': lockText, ...files })) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  return folder;
}

function pretendToBeUser(t: TestContext): void {
  t.mock.method(process as { getuid: () => number }, 'getuid', () => 1000);
}

/** Set-up is plain JavaScript for old Node versions, so it has no types to import. */
function load(file: string): Promise<unknown> {
  return import(path.join(root, 'scripts', file));
}
