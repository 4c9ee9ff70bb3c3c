import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { forbiddenText } from './rules/forbidden-text.ts';
import { importCycles } from './rules/import-cycles.ts';
import { importDirection, shimImports } from './rules/import-direction.ts';
import { fileLength, fileNames, luaHeaders } from './rules/naming.ts';
import { consoleAccess, processAccess } from './rules/process-access.ts';
import { purity } from './rules/purity.ts';
import { type Rule, readTree, report, root, toSourceFiles, type Violation } from './source-tree.ts';

const tree = readTree();
const sources = toSourceFiles(tree);

const rules: [title: string, rule: Rule][] = [
  ['each folder imports only what it may', importDirection],
  ['a shim loads node:* and its own files only', shimImports],
  ['there are no import cycles', importCycles],
  ['pure files depend on their arguments alone', purity],
  ['only main.ts files face the process', processAccess],
  ['only programs for people write to the console', consoleAccess],
  ['file names are kebab-case and say something', fileNames],
  ['no file is too long to read at one go', fileLength],
];

for (const [title, rule] of rules) {
  test(title, () => expectNone(rule(sources)));
}

test('each Lua script names its input and output', () => expectNone(luaHeaders(tree)));

test('nothing depends on one machine or package mirror', () => expectNone(forbiddenText(tree)));

const architecture = path.join(root, 'ARCHITECTURE.md');

test('ARCHITECTURE.md names every source folder', {
  skip: existsSync(architecture) ? false : 'not written yet',
}, () => {
  const text = readFileSync(architecture, 'utf8');
  const folders = ['shared', 'controller', 'agent', 'cli', 'sdk']
    .filter((folder) => existsSync(path.join(root, folder)))
    .flatMap((folder) => [folder, ...subfolders(folder).map((name) => `${folder}/${name}`)]);
  const unnamed = folders.filter((folder) => !text.includes(`${path.basename(folder)}/`));
  assert.deepEqual(unnamed, []);
});

function subfolders(folder: string): string[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}

function expectNone(violations: readonly Violation[]): void {
  if (violations.length > 0) assert.fail(`\n${report(violations)}\n`);
}
