import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { baseEnvironment } from '../../agent/bundle/base-environment.ts';
import { makeBundle } from '../../agent/bundle/make-bundle.ts';
import { openDataDirectory } from '../../agent/data-paths.ts';
import { workerEnvironment } from '../../agent/shim/worker-environment.ts';
import { workerVariables } from '../../scripts/docs/environment-variables.ts';
import { specNotes } from '../../scripts/docs/field-notes.ts';
import { findStalePages } from '../../scripts/docs/find-stale-pages.ts';
import { referenceFolder, renderReferencePages } from '../../scripts/docs/reference-pages.ts';
import { specRows } from '../../scripts/docs/render-configuration.ts';
import { errorRegistry } from '../../shared/contracts/error-code.ts';
import { serviceSpecSchema } from '../../shared/contracts/spec.ts';
import { readTree, root, toSourceFiles } from '../architecture/source-tree.ts';

const folder = path.join(root, referenceFolder);

test('every reference page is what the contracts say now, and there are no others', () => {
  const stale = findStalePages(folder).map(({ name, problem }) => `${referenceFolder}/${name} is ${problem}`);
  assert.deepEqual(stale, [], `${stale.join('; ')}. Run: npm run docs`);
});

test('a changed, a missing and a stray page are each found', (t) => {
  const copy = mkdtempSync(path.join(tmpdir(), 'drover-docs-'));
  t.after(() => rmSync(copy, { recursive: true }));
  cpSync(folder, copy, { recursive: true });
  for (const [name, text] of renderReferencePages()) writeFileSync(path.join(copy, name), text);
  assert.deepEqual(findStalePages(copy), []);
  writeFileSync(path.join(copy, 'cli.md'), 'old');
  rmSync(path.join(copy, 'api.md'));
  writeFileSync(path.join(copy, 'stray.md'), '');
  assert.deepEqual(findStalePages(copy), [
    { name: 'api.md', problem: 'missing' },
    { name: 'cli.md', problem: 'stale' },
    { name: 'stray.md', problem: 'unknown' },
  ]);
});

test('each error has the anchor that a problem names in its type', () => {
  const page = renderReferencePages().get('errors.md') ?? '';
  const missing = Object.keys(errorRegistry).filter((code) => !page.includes(`<a id="${code}"></a>`));
  assert.deepEqual(missing, []);
});

test('each field of the service spec has a word, and no word is for a field that is gone', () => {
  const rows = specRows();
  const silent = rows.filter(({ description }) => description === '').map(({ path: field }) => field);
  assert.deepEqual(silent, [], 'describe them in shared/contracts/spec.ts or scripts/docs/field-notes.ts');
  const fields = new Set(rows.map(({ path: field }) => field));
  assert.deepEqual(
    Object.keys(specNotes).filter((field) => !fields.has(field)),
    [],
  );
});

test('the page names exactly the variables that a worker gets besides its spec and the host', (t) => {
  const data = mkdtempSync(path.join(tmpdir(), 'drover-docs-'));
  t.after(() => rmSync(data, { recursive: true }));
  const bundle = makeBundle({
    revision: {
      service: 'api',
      revision: 1,
      artifact: null,
      spec: serviceSpecSchema.parse({ name: 'api', script: '/a.js' }),
    },
    paths: openDataDirectory(data),
    nodeName: 'host-1',
    address: '127.0.0.1',
    plan: { controllers: [], coordination: { redisUrl: 'redis://127.0.0.1', prefix: 'p', apiToken: 't' } },
    baseEnvironment: baseEnvironment({}),
  });
  const worker = workerEnvironment(bundle, { id: 'i-1', slot: 0, port: 20_000, env: {} });
  assert.deepEqual(Object.keys(worker).sort(), workerVariables.map(({ name }) => name).sort());
});

test('every variable of ours that a program reads is on the page', () => {
  const page = renderReferencePages().get('configuration.md') ?? '';
  const programs = toSourceFiles(readTree()).filter(({ path: file }) =>
    /^(shared|controller|agent|cli|sdk)\//.test(file),
  );
  const used = new Set(
    programs.flatMap(({ code }) =>
      [...code.matchAll(/\b(?:environment|env)\.(DROVER_\w+)/g)].map((match) => match[1]!),
    ),
  );
  // Failpoints exist for tests of crashes alone.
  used.delete('DROVER_FAILPOINTS');
  assert.ok(used.has('DROVER_URL'), 'the scan finds what it looks for');
  assert.deepEqual(
    [...used].filter((name) => !page.includes(`\`${name}\``)),
    [],
  );
});
