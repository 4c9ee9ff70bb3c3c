import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Script } from 'node:vm';
import { sdkEntries } from '../../agent/artifact/provide-sdk.ts';
import { root } from '../architecture/source-tree.ts';
import { readDocument } from './read-document.ts';

const files = [...globSync('*.md', { cwd: root }), ...globSync('{docs,examples}/**/*.md', { cwd: root })].sort();
const shown = files.flatMap((file) =>
  readDocument(file)
    .blocks.filter(({ language }) => language === 'js')
    .map(({ lines }, index) => ({ where: `${file}, block ${index + 1}`, text: lines.join('\n') })),
);

const importStatement = /^import (?:\{([^}]*)\}|(\w+)) from '([^']+)';$/gm;

/** Why the text cannot be run, or null. Imports are looked at apart: in a function, where `await` is allowed, they are not. */
function findSyntaxError(text: string): string | null {
  try {
    new Script(`(async () => {${text.replaceAll(importStatement, '')}\n})`);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** What an entry of the SDK exports at run time, by the text of its index: types are not there for JavaScript. */
function readExports(entry: string): string[] {
  const url = sdkEntries[entry];
  if (url === undefined) return [];
  const text = readFileSync(url, 'utf8');
  return [...text.matchAll(/^export \{([^}]*)\} from/gm)].flatMap(([, names = '']) =>
    names
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '' && !name.startsWith('type ')),
  );
}

function findUnknownImports(text: string): string[] {
  return [...text.matchAll(importStatement)].flatMap(([, names = '', whole, from = '']) => {
    const match = /^drover(\/[\w-]+)?$/.exec(from);
    if (match === null) return [];
    const entry = match[1] === undefined ? '.' : `.${match[1]}`;
    const known = readExports(entry);
    const wanted = whole === undefined ? names.split(',').map((name) => name.trim()) : ['default'];
    return wanted.filter((name) => name !== '' && !known.includes(name)).map((name) => `${name} from ${from}`);
  });
}

test('every block of JavaScript in a document can be parsed', () => {
  assert.ok(shown.length > 10, 'there are blocks');
  const wrong = shown.flatMap(({ where, text }) => {
    const problem = findSyntaxError(text);
    return problem === null ? [] : [`${where}: ${problem}`];
  });
  assert.deepEqual(wrong, []);
});

const python = ['-c', 'import ast, sys; ast.parse(sys.stdin.read())'];
const hasPython = spawnSync('python3', python, { input: '' }).status === 0;

test('every block of Python in a document can be parsed', { skip: hasPython ? false : 'no python3 here' }, () => {
  const blocks = files.flatMap((file) => readDocument(file).blocks.filter(({ language }) => language === 'python'));
  assert.ok(blocks.length > 0, 'there are blocks');
  for (const { lines } of blocks) {
    const { status, stderr } = spawnSync('python3', python, { input: lines.join('\n') });
    assert.equal(status, 0, String(stderr));
  }
});

test('what a document imports from drover and its entries is exported there', () => {
  assert.ok(shown.some(({ text }) => text.includes("from 'drover'")));
  const unknown = shown.flatMap(({ where, text }) => findUnknownImports(text).map((name) => `${where}: ${name}`));
  assert.deepEqual(unknown, []);
});

test('a block with a mistake, a name that is not exported and an entry that is not there are found', () => {
  assert.match(findSyntaxError('const a = await;') ?? '', /Unexpected/);
  assert.equal(
    findSyntaxError("import { connect } from 'drover';\nawait using lock = await connect().lock('a');"),
    null,
  );
  assert.deepEqual(findUnknownImports("import { connect, disconnect } from 'drover';"), ['disconnect from drover']);
  assert.deepEqual(findUnknownImports("import { ConnectOptions } from 'drover';"), ['ConnectOptions from drover']);
  assert.deepEqual(findUnknownImports("import { x } from 'drover/nothing';"), ['x from drover/nothing']);
});

test('each entry of the package has its source', () => {
  const names = Object.keys(sdkEntries);
  for (const name of names) assert.ok(readExports(name).length > 0, path.join('drover', name));
});
