import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type TestContext, test } from 'node:test';
import { Parser } from 'tar';
import { packDirectory } from '../../../cli/pack/pack-directory.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

async function tree(t: TestContext, files: Record<string, string>): Promise<string> {
  const root = tempDirectory(t);
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  return root;
}

async function pack(t: TestContext, root: string, includeModules = false) {
  const artifact = await packDirectory(root, { includeModules, signal: t.signal });
  t.after(() => artifact.remove());
  return artifact;
}

test('the same files give the same bytes, whatever their times and the order they were made in', async (t) => {
  const one = await tree(t, { 'b.js': 'b', 'a/x.js': 'x', 'a.js': 'a', '@odd.js': '@' });
  const two = await tree(t, { '@odd.js': '@', 'a.js': 'a', 'a/x.js': 'x', 'b.js': 'b' });
  await utimes(join(two, 'a.js'), 1, 1);
  const [first, second] = [await pack(t, one), await pack(t, two)];
  assert.deepEqual(await readFile(first.file), await readFile(second.file));
  assert.equal(first.digest, second.digest);
  await writeFile(join(two, 'b.js'), 'c');
  assert.notEqual((await pack(t, two)).digest, first.digest);
});

test('a directory of which nothing is left to pack is refused by name', async (t) => {
  const root = await tree(t, { '.gitignore': '*', 'server.js': '' });
  await assert.rejects(packDirectory(root, { includeModules: false, signal: t.signal }), {
    code: 'FILE_INVALID',
    message: /has no files to deploy/,
  });
});

test('entries are sorted, owned by nobody in particular, and keep what may be executed', async (t) => {
  const root = await tree(t, { 'run.sh': '#!/bin/sh', 'a.txt': 'a', 'z/deep/file': 'f' });
  await chmod(join(root, 'run.sh'), 0o755);
  await mkdir(join(root, 'empty'));
  const { file } = await pack(t, root);
  const entries: [string, number | undefined, number | undefined][] = [];
  const parser = new Parser({
    onReadEntry(entry) {
      entries.push([entry.path, entry.uid, entry.mode]);
      entry.resume();
    },
  });
  await pipeline(createReadStream(file), parser as unknown as NodeJS.WritableStream);
  assert.deepEqual(
    entries.map(([path]) => path),
    ['./a.txt', './empty/', './run.sh', './z/deep/file'],
  );
  assert.ok(entries.every(([, uid]) => uid === undefined || uid === 0));
  assert.equal(entries.find(([path]) => path === './run.sh')?.[2]?.toString(8), '755');
});

test('what git ignores stays out, nested rules and exceptions included', async (t) => {
  const root = await tree(t, {
    '.gitignore': '*.log\n/build/\n!keep.log\n',
    'a.log': '',
    'keep.log': '',
    'build/out.js': '',
    'src/build/kept.js': '',
    'src/.gitignore': 'local.json\n!special.log\n',
    'src/local.json': '',
    'src/special.log': '',
    'local.json': '',
    '.git/HEAD': '',
    'node_modules/x/index.js': '',
    'src/node_modules/y/index.js': '',
  });
  assert.deepEqual((await pack(t, root)).paths, [
    '.gitignore',
    'keep.log',
    'local.json',
    'src/.gitignore',
    'src/build/kept.js',
    'src/special.log',
  ]);
});

test('rules of the work tree above the packed directory hold too', async (t) => {
  const top = await tree(t, {
    '.git/HEAD': '',
    '.gitignore': 'secret.txt\napp/tmp/\n',
    'app/secret.txt': '',
    'app/tmp/x': '',
    'app/a.js': '',
  });
  assert.deepEqual((await pack(t, join(top, 'app'))).paths, ['a.js']);
});

test('.droverignore leaves more out, and brings back what git ignores', async (t) => {
  const root = await tree(t, {
    '.gitignore': 'dist/\n',
    '.droverignore': 'docs\n!dist/\n',
    'dist/main.js': '',
    'dist/lib/x.js': '',
    'docs/a.md': '',
    'a.js': '',
  });
  assert.deepEqual((await pack(t, root)).paths, [
    '.droverignore',
    '.gitignore',
    'a.js',
    'dist/lib/x.js',
    'dist/main.js',
  ]);
});

test('node_modules goes along when asked for, although git ignores it', async (t) => {
  const root = await tree(t, { '.gitignore': 'node_modules\n*.map\n', 'node_modules/x/a.js.map': '', 'a.js': '' });
  assert.deepEqual((await pack(t, root, true)).paths, ['.gitignore', 'a.js', 'node_modules/x/a.js.map']);
});

test('links inside are kept as links; one that leads out is refused and named', async (t) => {
  const root = await tree(t, { 'lib/a.js': 'a' });
  await symlink('lib/a.js', join(root, 'current.js'));
  assert.deepEqual((await pack(t, root)).paths, ['current.js', 'lib/a.js']);
  await symlink('/etc/passwd', join(root, 'lib/out'));
  await assert.rejects(pack(t, root), { code: 'FILE_INVALID', message: /lib\/out: is a link to \/etc\/passwd/ });
});
