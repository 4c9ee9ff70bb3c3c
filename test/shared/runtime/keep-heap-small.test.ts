import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

const module = new URL('../../../shared/runtime/keep-heap-small.ts', import.meta.url);

/** A program whose start takes much that it does not need later. Prints the bytes of its heap once it waits. */
const program = (settle: string) => `
  const { keepHeapSmall } = await import('${module}');
  let start = Array.from({ length: 1_000_000 }, (_, n) => ({ n }));
  start = null;
  ${settle}
  console.log(process.memoryUsage().heapTotal);
`;

test('what only the start needed is given back', async () => {
  const run = async (settle: string): Promise<number> => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program(settle)]);
    return Number(stdout);
  };
  const [kept, given] = [await run(''), await run('keepHeapSmall();')];
  assert.ok(given < kept - 10_000_000, `${given} bytes after it, ${kept} without`);
});
