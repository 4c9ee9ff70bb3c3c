import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';

const root = path.resolve(import.meta.dirname, '../..');
const run = path.join(root, 'scripts/run.mjs');
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  devDependencies: { node: string };
};
const execNode = pathToFileURL(path.join(root, 'cli/exec-node.js')).href;

/** Without it this process behaves as a Node that cannot replace itself: it starts a child instead. */
const withoutExecve = 'data:text/javascript,process.execve=undefined';

test('a program is run by Node 24 with its arguments, and its exit code is passed on', (t) => {
  const program = temporaryProgram(t, 'console.log(process.version, ...process.argv.slice(2)); process.exit(7);');
  const result = spawnSync(process.execPath, [run, program, 'a', '--with', 'b c'], { encoding: 'utf8' });
  assert.equal(result.stdout, `v${manifest.devDependencies.node} a --with b c\n`);
  assert.equal(result.status, 7);
});

test('programs share one compile cache of the user', (t) => {
  const program = temporaryProgram(t, 'console.log(process.env.NODE_COMPILE_CACHE);');
  const env: NodeJS.ProcessEnv = { ...process.env, XDG_CACHE_HOME: '/var/tmp/cache-home' };
  delete env.NODE_COMPILE_CACHE;
  const result = spawnSync(process.execPath, [run, program], { encoding: 'utf8', env });
  assert.equal(result.stdout, '/var/tmp/cache-home/drover/compile-cache\n');
});

for (const [kind, options] of [
  ['a Node that can replace itself', []],
  ['an older Node', ['--import', withoutExecve]],
] as const) {
  test(`signals and exit codes are passed on by ${kind}`, async (t) => {
    const program = temporaryProgram(
      t,
      `process.on('SIGTERM', () => process.exit(9)); console.log('ready'); setInterval(() => {}, 1000);`,
    );
    const script = `import { execNode } from '${execNode}'; execNode(process.execPath, ['${program}'], process.env);`;
    const launcher = spawn(process.execPath, [...options, '--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => launcher.kill('SIGKILL'));
    await once(launcher.stdout, 'data');
    launcher.kill('SIGTERM');
    assert.deepEqual(await once(launcher, 'exit'), [9, null]);
  });
}

test('an older Node ends as a shell would when the program is killed', (t) => {
  const program = temporaryProgram(t, `process.kill(process.pid, 'SIGKILL');`);
  const script = `import { execNode } from '${execNode}'; execNode(process.execPath, ['${program}'], process.env);`;
  const result = spawnSync(process.execPath, ['--import', withoutExecve, '--input-type=module', '--eval', script]);
  assert.equal(result.status, 137);
});

/** A program outside the tree, named relative to it as run.mjs wants it. */
function temporaryProgram(t: TestContext, text: string): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'drover-run-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(path.join(folder, 'program.mjs'), text);
  return path.join(folder, 'program.mjs');
}
