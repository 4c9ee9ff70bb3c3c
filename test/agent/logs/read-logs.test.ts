import assert from 'node:assert/strict';
import { appendFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readLogs } from '../../../agent/logs/read-logs.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

test('the last lines come from rotated files too when the current one has too few', (t) => {
  const path = join(tempDirectory(t), 'a.out.log');
  writeFileSync(`${path}.2`, '1\n2\n');
  writeFileSync(`${path}.1`, '3\n4\n');
  writeFileSync(path, '5\nunfinished');
  assert.deepEqual(readLogs({ path, position: null, file: null, lines: 3 }).lines, ['3', '4', '5']);
  assert.deepEqual(readLogs({ path, position: null, file: null, lines: 0 }).lines, []);
});

test('a reader that follows gets every line once and in order over rotations', (t) => {
  const path = join(tempDirectory(t), 'a.out.log');
  writeFileSync(path, '');
  let { position, file } = readLogs({ path, position: null, file: null, lines: 0 });
  const seen: string[] = [];
  const written: string[] = [];
  for (let line = 0; line < 200; line += 1) {
    written.push(`line ${line}`);
    appendFileSync(path, `line ${line}\n`);
    if (line % 17 === 16) rotate(path);
    if (line % 29 !== 28 && line !== 199) continue;
    for (;;) {
      const chunk = readLogs({ path, position, file, lines: 10 });
      ({ position, file } = chunk);
      if (chunk.lines.length === 0) break;
      seen.push(...chunk.lines);
    }
  }
  assert.deepEqual(seen, written);
});

test('a line that is not finished is given when it is', (t) => {
  const path = join(tempDirectory(t), 'a.out.log');
  writeFileSync(path, 'one\ntw');
  const first = readLogs({ path, position: 0, file: null, lines: 10 });
  assert.deepEqual(first.lines, ['one']);
  appendFileSync(path, 'o\n');
  assert.deepEqual(readLogs({ path, position: first.position, file: first.file, lines: 10 }).lines, ['two']);
});

test('a line longer than a chunk does not hold the reader up', (t) => {
  const path = join(tempDirectory(t), 'a.out.log');
  writeFileSync(path, `${'x'.repeat(700_000)}\nend\n`);
  const parts: string[] = [];
  let at: { position: number; file: string | null } = { position: 0, file: null };
  for (let turn = 0; turn < 4; turn += 1) {
    const chunk = readLogs({ path, ...at, lines: 10 });
    parts.push(...chunk.lines);
    at = chunk;
  }
  assert.equal(parts.at(-1), 'end');
  assert.equal(parts.slice(0, -1).join('').length, 700_000);
});

test('a reader whose file is gone goes on with the oldest there is', (t) => {
  const path = join(tempDirectory(t), 'a.out.log');
  writeFileSync(path, 'old\n');
  const { position, file } = readLogs({ path, position: null, file: null, lines: 1 });
  rotate(path);
  writeFileSync(path, 'newer\n');
  rotate(path);
  rmSync(`${path}.2`);
  writeFileSync(path, 'newest\n');
  assert.deepEqual(readLogs({ path, position, file, lines: 10 }).lines, ['newer', 'newest']);
});

test('an instance that has printed nothing has no lines', (t) => {
  const path = join(tempDirectory(t), 'a.out.log');
  assert.deepEqual(readLogs({ path, position: null, file: null, lines: 10 }), { lines: [], position: 0, file: '' });
});

function rotate(path: string): void {
  try {
    renameSync(`${path}.1`, `${path}.2`);
  } catch {
    // The first rotation.
  }
  renameSync(path, `${path}.1`);
  writeFileSync(path, '');
}
