import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { eventually } from '../support/eventually.ts';

const runner = path.resolve(import.meta.dirname, '../../scripts/test.ts');

test('a run whose tests pass ends with the counts and exit code 0', (t) => {
  const folder = temporaryTest(t, "test('two and two', () => {});");
  const { status, stdout } = run(folder);
  assert.equal(status, 0, stdout);
  assert.match(stdout, /tests 1\n[\s\S]*pass 1\n[\s\S]*fail 0\n/);
});

test('a run with a failing test ends with exit code 1', (t) => {
  const folder = temporaryTest(t, "test('two and two', () => { throw new Error('five'); });");
  const { status, stdout } = run(folder);
  assert.equal(status, 1);
  assert.match(stdout, /fail 1\n/);
});

test('a run whose tests pass fails when a process outlives it, and names and kills the process', async (t) => {
  const folder = temporaryTest(
    t,
    "test('leaks', () => spawn('sleep', ['71'], { stdio: 'ignore', detached: true }).unref());",
  );
  const { status, stderr } = run(folder);
  assert.equal(status, 1);
  const pid = /1 processes outlived[\s\S]*pid (\d+) {2}sleep 71/.exec(stderr)?.[1];
  assert.ok(pid, stderr);
  await eventually(() => hasEnded(pid));
});

test('a file that does not end after its tests fails the run, and says what keeps it', (t) => {
  const folder = temporaryTest(t, "test('passes', () => void setInterval(() => undefined, 1_000));");
  const { status, stderr, stdout } = run(folder, { DROVER_TEST_FILE_LIMIT_MS: '1500' });
  assert.equal(status, 1);
  assert.match(stdout + stderr, /still runs after 1\.5 s; what keeps it: .*Timeout/);
});

test('with --retry a file that fails is run once more, and told of although it passes then', (t) => {
  const folder = temporaryTest(
    t,
    "const marker = new URL('marker', import.meta.url);\ntest('by chance', () => { if (existsSync(marker)) return; writeFileSync(marker, ''); throw new Error('once'); });",
  );
  const { status, stdout, stderr } = run(folder, {}, ['--retry']);
  assert.equal(status, 0, stdout);
  assert.match(stdout, /fail 1\n[\s\S]*once more: \S*fixture\.test\.ts\n[\s\S]*fail 0\n/);
  assert.match(stderr, /FAILED ONCE, .*fixture\.test\.ts/);
});

test('with --retry a file that fails twice fails the run', (t) => {
  const folder = temporaryTest(t, "test('two and two', () => { throw new Error('five'); });");
  const { status, stdout, stderr } = run(folder, {}, ['--retry']);
  assert.equal(status, 1);
  assert.equal(stdout.match(/fail 1\n/g)?.length, 2);
  assert.doesNotMatch(stderr, /FAILED ONCE/);
});

test('without --retry a failure by chance is a failure', (t) => {
  const folder = temporaryTest(t, "test('two and two', () => { throw new Error('five'); });");
  assert.doesNotMatch(run(folder).stdout, /once more/);
});

test('a path without tests is an error, not a run of nothing', () => {
  const { status, stderr } = run('test/nowhere');
  assert.equal(status, 2);
  assert.match(stderr, /no test file is at or below test\/nowhere/);
});

function run(
  folder: string,
  more: NodeJS.ProcessEnv = {},
  flags: readonly string[] = [],
): { status: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, ...more };
  // Set by the run that this test is part of; with it, a runner takes itself for one of its own files.
  delete env.NODE_TEST_CONTEXT;
  return spawnSync(process.execPath, [runner, ...flags, folder], { encoding: 'utf8', env });
}

/** Gone, or a zombie that whoever runs as process 1 has not reaped yet. */
function hasEnded(pid: string): boolean {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}

function temporaryTest(t: TestContext, body: string): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'drover-runner-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const imports = [
    "import { spawn } from 'node:child_process';",
    "import { existsSync, writeFileSync } from 'node:fs';",
    "import { test } from 'node:test';\n",
  ].join('\n');
  writeFileSync(path.join(folder, 'fixture.test.ts'), `${imports}${body}\n`);
  return folder;
}
