import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scanSource } from './scan-source.ts';

const forms: [source: string, specifier: string, typeOnly: boolean][] = [
  ["import './a.ts'", './a.ts', false],
  ["import a from './a.ts'", './a.ts', false],
  ["import * as a from './a.ts'", './a.ts', false],
  ["import a, { b as c } from './a.ts'", './a.ts', false],
  ["import {\n  a,\n  // why b\n  b,\n} from './a.ts'", './a.ts', false],
  ["import { type A } from './a.ts'", './a.ts', false],
  ["import type { A } from './a.ts'", './a.ts', true],
  ["import type A from './a.ts'", './a.ts', true],
  ["import type * as A from './a.ts'", './a.ts', true],
  ["import json from './a.json' with { type: 'json' }", './a.json', false],
  ["export * from './a.ts'", './a.ts', false],
  ["export { a } from './a.ts'", './a.ts', false],
  ["export type { A } from './a.ts'", './a.ts', true],
  ["const a = await import('./a.ts')", './a.ts', false],
  ["const a = require('./a.cjs')", './a.cjs', false],
  ["type A = typeof import('./a.ts')", './a.ts', true],
  ["const a = 1; import { b } from './a.ts'", './a.ts', false],
];

for (const [source, specifier, typeOnly] of forms) {
  test(`finds the import in: ${source.replaceAll('\n', ' ')}`, () => {
    const found = scanSource(source).imports.map((statement) => [statement.specifier, statement.typeOnly]);
    assert.deepEqual(found, [[specifier, typeOnly]]);
  });
}

const noImports = [
  "export const from = 'x'",
  "// import './a.ts'",
  'const text = "import \'./a.ts\'"',
  "loader.import('./a.ts')",
  "export default 'x'",
];

for (const source of noImports) {
  test(`finds no import in: ${source}`, () => assert.deepEqual(scanSource(source).imports, []));
}

test('gives the line of each import', () => {
  const { imports } = scanSource("/*\n\n*/\nimport './a.ts';\n\nimport './b.ts';\n");
  assert.deepEqual(
    imports.map(({ line }) => line),
    [4, 6],
  );
});
