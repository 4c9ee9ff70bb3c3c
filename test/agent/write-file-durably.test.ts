import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeFileDurably } from '../../agent/write-file-durably.ts';
import { tempDirectory } from '../support/temp-directory.ts';

test('a disk that takes the beginning of a file only leaves what was there', (t) => {
  const path = join(tempDirectory(t), 'identity.json');
  writeFileDurably(path, 'what was there');
  const module = new URL('../../agent/write-file-durably.ts', import.meta.url).href;
  const script = `
    const { writeFileDurably } = await import(${JSON.stringify(module)});
    try {
      writeFileDurably(${JSON.stringify(path)}, 'x'.repeat(3_000));
      process.stdout.write('written');
    } catch (error) {
      process.stdout.write(error.code);
    }`;
  // The limit of 1 KiB for a file makes the kernel do as a disk with 1 KiB left: the write that crosses it is cut short.
  const shell = ['-c', 'ulimit -f 1; exec "$@"', 'bash', process.execPath, '--input-type=module', '-e', script];
  assert.equal(execFileSync('bash', shell, { encoding: 'utf8', env: { PATH: process.env.PATH } }), 'EFBIG');
  assert.equal(readFileSync(path, 'utf8'), 'what was there');
});
