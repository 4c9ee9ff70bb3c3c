import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { root } from './source-tree.ts';

type PackageEntry = {
  version?: string;
  integrity?: string;
  resolved?: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
};
type Package = {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  allowScripts: Record<string, boolean>;
};

const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as Package;
const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, PackageEntry>;
};
const pinned = { ...manifest.dependencies, ...manifest.devDependencies };

test('every dependency is pinned to one version', () => {
  const loose = Object.entries(pinned).filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version));
  assert.deepEqual(loose, []);
});

test('the lock file has the versions that package.json pins', () => {
  for (const [name, version] of Object.entries(pinned)) {
    assert.equal(lock.packages[`node_modules/${name}`]?.version, version, name);
  }
});

test('the lock file has every package by its digest, and names no download address', () => {
  const entries = Object.entries(lock.packages).filter(([location]) => location !== '');
  for (const [location, entry] of entries) {
    assert.ok(entry.integrity, `${location} has no integrity`);
    assert.equal(entry.resolved, undefined, `${location} names a download address`);
  }
});

// npm ci refuses a lock file that was made where some platform's package could not be seen.
test('the lock file has the packages of all platforms', () => {
  const missing = Object.values(lock.packages).flatMap((entry) =>
    Object.keys(entry.optionalDependencies ?? {}).filter((name) => lock.packages[`node_modules/${name}`] === undefined),
  );
  assert.deepEqual(missing, []);
});

test('the install script that brings Node 24 is allowed by the version that is pinned', () => {
  assert.deepEqual(manifest.allowScripts, { [`node@${manifest.devDependencies.node}`]: true });
});
