import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { provideSdk, sdkEntries } from '../../../agent/artifact/provide-sdk.ts';
import packageFile from '../../../package.json' with { type: 'json' };
import { tempDirectory } from '../../support/temp-directory.ts';

test('the entries are those that are published, and each is there', () => {
  const published = Object.keys(packageFile.exports).filter((entry) => entry !== './package.json');
  assert.deepEqual(Object.keys(sdkEntries), published);
  for (const [entry, url] of Object.entries(sdkEntries)) assert.ok(existsSync(fileURLToPath(url)), entry);
  for (const [entry, target] of Object.entries(packageFile.exports)) {
    if (typeof target === 'string') continue;
    const source = target.default.replace('./dist/', '').replace(/\.js$/, '.ts');
    assert.ok(sdkEntries[entry]!.pathname.endsWith(source), `${entry} is published as ${source}`);
  }
});

test('an artifact below finds the package, also by require, and what was there is made right', async (t) => {
  const directory = tempDirectory(t);
  provideSdk(directory);
  const file = join(directory, 'node_modules/drover/index.js');
  writeFileSync(file, 'broken');
  provideSdk(directory);
  assert.match(readFileSync(file, 'utf8'), /^export \* from "file:.*\/sdk\/index\.ts";\n$/);
  writeFileSync(
    join(directory, 'service.mjs'),
    `export { connect } from 'drover'; export { openTestDrover } from 'drover/testing';`,
  );
  writeFileSync(join(directory, 'service.cjs'), `module.exports = require('drover').connect;`);
  const service = await import(join(directory, 'service.mjs'));
  assert.equal(typeof service.connect, 'function');
  assert.equal(typeof service.openTestDrover, 'function');
  assert.equal((await import(join(directory, 'service.cjs'))).default, service.connect);
});
