import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { startRedis } from '../../support/redis.ts';

const program = fileURLToPath(new URL('./schedules-process.ts', import.meta.url));
/** Some find the connections not yet made, some half made, some at work. */
const delaysMs = [0, 2, 5, 10, 20, 50, 100, 200];

for (const failure of ['pause', 'kill'] as const) {
  test(`schedules that are closed after a ${failure} of Redis leave nothing that keeps the process`, async (t) => {
    const processes = [];
    for (const delayMs of delaysMs) {
      const redis = await startRedis(t);
      const child = spawn(process.execPath, [program, redis.url], {
        stdio: ['pipe', 'pipe', 'inherit'],
        env: process.env,
      });
      t.after(() => void child.kill('SIGKILL'));
      const printed: string[] = [];
      child.stdout.setEncoding('utf8').on('data', (part: string) => printed.push(part));
      await once(child.stdout, 'data');
      await sleep(delayMs);
      redis[failure]();
      child.stdin.end();
      processes.push({ delayMs, child, printed, ended: once(child, 'exit') });
    }
    await Promise.race([Promise.all(processes.map(({ ended }) => ended)), sleep(60_000, undefined, { ref: false })]);
    for (const { delayMs, child, printed } of processes) {
      assert.equal(child.exitCode, 0, `after ${delayMs} ms: ${printed.join('')}`);
    }
  });
}
