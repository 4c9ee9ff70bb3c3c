import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineStamp } from '../../../agent/shim/line-stamp.ts';
import { OutputTail } from '../../../agent/shim/output-tail.ts';
import { eventually } from '../../support/eventually.ts';
import { runShim } from './run-shim.ts';

test('no line of a fast printer is lost, doubled or moved by rotation, and it is held back instead of buffered', async (t) => {
  const count = 200_000;
  const shim = await runShim(t, {
    script: 'prints-lines.mjs',
    expectListen: false,
    logs: { maxFileBytes: 1_000_000, maxFiles: 100 },
  });
  await shim.start('i-1', { env: { COUNT: String(count) } });
  await eventually(() => shim.log('i-1', 'err') === 'done\n', { timeoutMs: 20_000 });
  await shim.client.request({ type: 'stop', id: 'i-1' });
  const stopped = await shim.reaches('i-1', 'exited');
  assert.equal(stopped.lostLogBytes, 0);
  let expected = 0;
  let files = 0;
  for (let number = 99; number >= 0; number -= 1) {
    const text = shim.log('i-1', 'out', number === 0 ? '' : `.${number}`);
    if (text === '') continue;
    files += 1;
    assert.ok(text.length <= 1_000_000);
    for (const line of text.split('\n').slice(0, -1)) {
      expected += 1;
      if (!line.startsWith(`${expected} x`) || !line.endsWith('x')) assert.fail(`${line} is not line ${expected}`);
    }
  }
  assert.equal(expected, count);
  assert.ok(files > 15);
});

test('multi-byte characters that are cut by the pipe reach the file byte for byte, in both modes', async (t) => {
  const bytes = 2_000_000;
  for (const execMode of ['fork', 'cluster'] as const) {
    const shim = await runShim(t, { script: 'prints-utf8.mjs', expectListen: false, execMode });
    await shim.start('i-1', { env: { BYTES: String(bytes) } });
    await eventually(() => shim.log('i-1', 'err') === 'done\n', { timeoutMs: 20_000 });
    await eventually(() => assert.ok(shim.log('i-1') === 'é漢😀\n'.repeat(bytes / 10)));
  }
});

test('with `time` each line has one instant before it, however it arrives and whatever the zone of its host', () => {
  process.env.TZ = 'Asia/Shanghai';
  const stamp = new LineStamp();
  const at = Date.parse('2026-01-31T18:05:09.999+08:00');
  const text = ['par', 'tial\nwhole\n\nla', 'st'].map((part) => stamp.apply(Buffer.from(part), at).toString()).join('');
  const time = '2026-01-31T10:05:09Z: ';
  assert.equal(text, `${time}partial\n${time}whole\n${time}\n${time}last`);
});

test('the tail has the last 20 lines of both streams in order, whole, and is bounded', () => {
  const tail = new OutputTail();
  tail.push('out', Buffer.from('half of '));
  tail.push('err', Buffer.from('an error\n'));
  tail.push('out', Buffer.from('a line\nlast'));
  assert.deepEqual(tail.lines(), ['an error', 'half of a line', 'last']);
  tail.push('out', Buffer.from('\n'));
  for (let line = 1; line <= 30; line += 1) tail.push('out', Buffer.from(`line ${line}\n`));
  assert.deepEqual(
    tail.lines(),
    Array.from({ length: 20 }, (_, index) => `line ${index + 11}`),
  );
  tail.push('out', Buffer.alloc(100_000, 'y'));
  assert.equal(tail.lines().length, 1);
  assert.ok(tail.lines()[0]!.length <= 2_001);
  for (let byte = 0; byte < 5_000; byte += 1) tail.push('err', Buffer.from('z'));
  assert.ok(tail.lines().at(-1)!.length <= 512);
});
