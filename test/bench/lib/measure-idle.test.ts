import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { measureIdle, sumUsage } from '../../../bench/lib/measure-idle.ts';

test('a busy process is told from an idle one, and memory is what the kernel says', async (t) => {
  const [idle, busy] = await Promise.all(
    ['setInterval(() => {}, 1e6)', 'for (;;);'].map(async (code) => {
      const child = spawn(process.execPath, ['-e', `console.log('up'); ${code}`], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      t.after(() => child.kill('SIGKILL'));
      await once(child.stdout, 'data');
      return child.pid ?? 0;
    }),
  );
  const usages = await measureIdle([idle ?? 0, busy ?? 0], 1);
  const [ofIdle, ofBusy] = usages;
  assert.ok(ofIdle !== undefined && ofBusy !== undefined);
  assert.ok(ofBusy.cpuPercent > 2 * ofIdle.cpuPercent + 2, `${ofBusy.cpuPercent} and ${ofIdle.cpuPercent} %`);
  for (const { pssMb, privateMb } of usages) {
    assert.ok(privateMb > 1 && privateMb < 500, `${privateMb} MB`);
    assert.ok(pssMb >= privateMb, `${pssMb} MB is less than the ${privateMb} MB that nobody shares`);
  }
  assert.equal(sumUsage(usages).pssMb, ofIdle.pssMb + ofBusy.pssMb);
});

test('a process that has ended is an error, not an idle one', async () => {
  const child = spawn(process.execPath, ['-e', '0']);
  await once(child, 'exit');
  await assert.rejects(measureIdle([child.pid ?? 0], 0), /ENOENT|ESRCH/);
});
