import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

/** Takes a block for each line that it reads, says which or why not, and lives until its input ends. All begin at one place. */
const program = `
  const { reservePortBlock } = await import('${new URL('../../../scripts/cluster/port-block.ts', import.meta.url)}');
  const { createInterface } = await import('node:readline');
  Math.random = () => 0.3;
  console.log('ready');
  for await (const _ of createInterface({ input: process.stdin })) {
    console.log(await reservePortBlock().then(({ from, to }) => from + '-' + to, ({ message }) => message));
  }
`;
const all = 98;

/** Processes with a world of blocks to themselves. */
function openWorld(t: TestContext) {
  const env = { ...process.env, TMPDIR: tempDirectory(t) };
  return async () => {
    const args = ['--input-type=module', '-e', program];
    const child = spawn(process.execPath, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    t.after(() => void child.kill('SIGKILL'));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, 'ready');
    return {
      async take(count: number): Promise<string[]> {
        child.stdin.write('take\n'.repeat(count));
        const taken: string[] = [];
        while (taken.length < count) taken.push((await lines.next()).value as string);
        return taken;
      },
      async kill() {
        child.kill('SIGKILL');
        await once(child, 'exit');
      },
    };
  };
}

test('processes that take blocks at the same time have none in common, and no more than there are', async (t) => {
  const start = openWorld(t);
  const takers = await Promise.all([start(), start(), start(), start()]);
  const taken = (await Promise.all(takers.map(({ take }) => take(24)))).flat();
  assert.equal(new Set(taken).size, 96);
  for (const block of taken) {
    const [from = 0, to] = block.split('-').map(Number);
    assert.ok(to === from + 99 && from >= 20_000 && to <= 30_999 && (to < 27_183 || from > 28_182), block);
  }
  const rest = await takers[0]!.take(3);
  assert.equal(new Set([...taken, ...rest]).size, all + 1);
  assert.equal(rest[2], 'All 98 ranges of 100 ports are in use by local clusters and tests');
});

test('blocks of a process that was killed may be taken again', async (t) => {
  const start = openWorld(t);
  const [killed, other] = await Promise.all([start(), start()]);
  const left = await killed.take(2);
  const own = await other.take(all - 2);
  assert.equal(new Set([...left, ...own]).size, all);
  await killed.kill();
  const again = await eventually(async () => {
    const [block = ''] = await other.take(1);
    return left.includes(block) && block;
  });
  assert.ok(left.includes(again));
});
