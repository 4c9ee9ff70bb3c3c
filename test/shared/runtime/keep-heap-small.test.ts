import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

const module = new URL('../../../shared/runtime/keep-heap-small.ts', import.meta.url);

/** A program whose start takes much that it does not need later. Prints by how many bytes its heap has become smaller. */
const program = `
  const { keepHeapSmall } = await import('${module}');
  let start = Array.from({ length: 1_000_000 }, (_, n) => ({ n }));
  const before = process.memoryUsage().heapTotal;
  start = start.length;
  keepHeapSmall();
  console.log(before - process.memoryUsage().heapTotal);
`;

test('what only the start needed is given back', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
  assert.ok(Number(stdout) > 10_000_000, stdout);
});
