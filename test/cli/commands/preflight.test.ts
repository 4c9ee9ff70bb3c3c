import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runCliHere } from '../../support/run-cli-here.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

const unsafe = 'setInterval(() => bill(), 1000);\n';

async function service(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const directory = tempDirectory(t);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), text);
  }
  return directory;
}

test('preflight exits 0 on a safe service, 8 on an unsafe one, and 1 on what it cannot read', async (t) => {
  const safe = await service(t, { 'a.js': 'export const a = 1;\n' });
  const calm = await runCliHere(t, ['preflight', safe]);
  assert.equal(calm.code, 0, calm.stderr);
  assert.match(calm.stdout, /1 file looked at: nothing found/);

  const cwd = await service(t, { 'src/jobs.ts': unsafe });
  const alarmed = await runCliHere(t, ['preflight'], { cwd });
  assert.equal(alarmed.code, 8);
  assert.match(alarmed.stdout, /src\/jobs\.ts:1:1 timer-work/);
  assert.match(alarmed.stdout, /→ drover\.cron\(name, schedule, handler\) \(docs\/guides\/cron\.md\)/);
  assert.match(alarmed.stdout, /1 file looked at: 1 finding\n$/);

  const lost = await runCliHere(t, ['preflight', join(safe, 'nowhere')]);
  assert.equal(lost.code, 1);
  assert.match(lost.stderr, /cannot be looked at.*FILE_UNREADABLE/);
});

test('preflight prints one JSON object with all that the guide says', async (t) => {
  const cwd = await service(t, { 'a.js': unsafe, 'b.js': 'const = 1;\n', 'big.js': '// '.padEnd(1_048_577, 'x') });
  const { code, objects } = await runCliHere(t, ['preflight', '--json'], { cwd });
  assert.equal(code, 8);
  const [result, ...others] = objects();
  assert.deepEqual(others, []);
  const { findings, ...rest } = result as { findings: Record<string, unknown>[] };
  assert.deepEqual(rest, { ok: false, files: 2, tooLarge: ['big.js'] });
  assert.deepEqual(findings[0], {
    ...{ rule: 'timer-work', file: 'a.js', line: 1, column: 1, subject: 'setInterval' },
    what: 'work on a timer of this process',
    failure: 'Each instance has the timer, so the work is done once per instance each time.',
    mend: 'drover.cron(name, schedule, handler)',
    guide: 'guides/cron.md',
  });
  assert.deepEqual([findings[1]!.rule, findings[1]!.file, findings[1]!.line], ['unreadable', 'b.js', 1]);
});

test('preflight leaves out tests, installed and built files, and what the ignore files name', async (t) => {
  const names = [
    'node_modules/a/a.js',
    'dist/a.js',
    'test/a.js',
    'src/a.test.ts',
    'src/a.d.ts',
    'old/a.js',
    'out/a.js',
  ];
  const files = Object.fromEntries(names.map((name) => [name, unsafe]));
  const cwd = await service(t, { ...files, '.droverignore': 'old/\n', '.gitignore': 'out/\n' });
  const { code, stdout } = await runCliHere(t, ['preflight'], { cwd });
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^0 files looked at/);
});
