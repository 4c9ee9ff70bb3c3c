import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileProgramAddresses } from '../../../scripts/build/program-addresses.ts';

const cases: [title: string, before: string, after: string][] = [
  ['a URL beside the file', "new URL('./main.ts', import.meta.url)", "new URL('./main.js', import.meta.url)"],
  ['a URL further up', 'new URL("../shim/main.ts", import.meta.url)', 'new URL("../shim/main.js", import.meta.url)'],
  ['a resolved address', "import.meta.resolve('./main.ts')", "import.meta.resolve('./main.js')"],
  [
    'other files left alone',
    "new URL('./drain-hook.cjs', import.meta.url)",
    "new URL('./drain-hook.cjs', import.meta.url)",
  ],
  ['other text left alone', "interpreterFor('./service.ts')", "interpreterFor('./service.ts')"],
];

for (const [title, before, after] of cases) {
  test(`compiled programs start compiled programs: ${title}`, () => {
    assert.equal(compileProgramAddresses(before), after);
  });
}
