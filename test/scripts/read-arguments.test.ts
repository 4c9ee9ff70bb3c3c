import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';

const root = path.resolve(import.meta.dirname, '../..');
const programs: readonly (readonly [program: string, ...wrong: string[]])[] = [
  ['scripts/start.ts', 'now'],
  ['scripts/demo.ts', '--fast'],
  ['scripts/build.ts', '--watch'],
  ['scripts/check.ts', '--fix'],
  ['scripts/check-package.ts', '--keep'],
  ['scripts/docs.ts', '--chek'],
  ['scripts/test.ts', '--lng'],
  ['scripts/verify.ts', '--onyl'],
  ['bench/main.ts', 'nope'],
  ['test/faults/main.ts', '--sed'],
];

for (const [program, wrong] of programs) {
  test(`${program} answers --help, and refuses ${wrong} with its usage, before it does anything`, () => {
    const run = (argument: string) =>
      spawnSync(process.execPath, [path.join(root, program), argument], { encoding: 'utf8', timeout: 30_000 });
    const help = run('--help');
    assert.deepEqual([help.status, help.stderr], [0, '']);
    assert.match(help.stdout, /^usage: npm /);
    const { status, stdout, stderr } = run(wrong!);
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, new RegExp(`^.*${wrong}.*\n\nusage: npm `));
    assert.doesNotMatch(stderr, /\n\s+at /);
  });
}
