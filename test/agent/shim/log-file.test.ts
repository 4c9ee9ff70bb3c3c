import assert from 'node:assert/strict';
import { existsSync, readFileSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { LogFile } from '../../../agent/shim/log-file.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

test('whatever the chunks, rotated files hold every byte in order and cut no line that fits into a file', async (t) => {
  const root = tempDirectory(t);
  let run = 0;
  const lines = fc.array(fc.stringMatching(/^[a-zé]{0,30}$/), { maxLength: 60 });
  const cuts = fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(lines, cuts, async (texts, sizes) => {
      run += 1;
      const path = join(root, `${run}.log`);
      const maxFileBytes = 64;
      const file = new LogFile({ path, maxFileBytes, maxFiles: 1_000 });
      const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(''));
      for (let at = 0, cut = 0; at < bytes.length; cut += 1) {
        const size = sizes[cut % sizes.length]!;
        file.write(bytes.subarray(at, at + size));
        at += size;
        if (cut % 3 === 0) await file.flush();
      }
      await file.close();
      const files = readRotated(path);
      assert.equal(files.join(''), bytes.toString());
      for (const text of files.filter((content) => content !== '')) assert.ok(text.endsWith('\n'));
      for (const text of files) assert.ok(Buffer.byteLength(text) <= 2 * maxFileBytes);
      assert.equal(file.lostBytes, 0);
    }),
    { numRuns: 60 },
  );
});

test('a line longer than a file goes on in the next one', async (t) => {
  const path = join(tempDirectory(t), 'a.log');
  const file = new LogFile({ path, maxFileBytes: 10, maxFiles: 10 });
  file.write(Buffer.from('short\n'));
  file.write(Buffer.from('0123456789abcdefghij'));
  file.write(Buffer.from('KLM\nnext\n'));
  await file.close();
  assert.deepEqual(readRotated(path), ['short\n', '0123456789', 'abcdefghij', 'KLM\nnext\n']);
});

test('only the newest files are kept', async (t) => {
  const path = join(tempDirectory(t), 'a.log');
  const file = new LogFile({ path, maxFileBytes: 2, maxFiles: 3 });
  for (let line = 0; line < 9; line += 1) file.write(Buffer.from(`${line}\n`));
  await file.close();
  assert.deepEqual(readRotated(path), ['6\n', '7\n', '8\n']);
});

test('a file that was moved away is written anew after a reopen', async (t) => {
  const path = join(tempDirectory(t), 'a.log');
  const file = new LogFile({ path, maxFileBytes: 100, maxFiles: 3 });
  file.write(Buffer.from('one\n'));
  await file.flush();
  renameSync(path, `${path}.moved`);
  file.reopen();
  file.write(Buffer.from('two\n'));
  await file.close();
  assert.equal(readFileSync(`${path}.moved`, 'utf8'), 'one\n');
  assert.equal(readFileSync(path, 'utf8'), 'two\n');
});

test('bytes that a full disk does not take are counted, and nothing fails', async (t) => {
  const path = join(tempDirectory(t), 'full.log');
  symlinkSync('/dev/full', path);
  const file = new LogFile({ path, maxFileBytes: 1_000, maxFiles: 3 });
  file.write(Buffer.from('12345\n'));
  await file.flush();
  file.write(Buffer.from('123\n'));
  await file.close();
  assert.equal(file.lostBytes, 10);
});

test('a writer that is ahead of the disk is told to wait, and told when to go on', async (t) => {
  const file = new LogFile({ path: join(tempDirectory(t), 'a.log'), maxFileBytes: 1e9, maxFiles: 2 });
  const chunk = Buffer.alloc(256 * 1024, 'x');
  let accepted = 1;
  while (file.write(chunk)) accepted += 1;
  assert.ok(accepted <= 5);
  await file.whenWritable();
  assert.equal(file.write(Buffer.from('\n')), true);
  await file.close();
});

/** The contents of a log and its rotated files, oldest first. */
function readRotated(path: string): string[] {
  const contents: string[] = existsSync(path) ? [readFileSync(path, 'utf8')] : [];
  for (let number = 1; existsSync(`${path}.${number}`); number += 1) {
    contents.unshift(readFileSync(`${path}.${number}`, 'utf8'));
  }
  return contents;
}
