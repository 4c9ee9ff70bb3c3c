import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { findLeakedProcesses } from '../../scripts/test/leaked-processes.ts';
import { eventually } from '../support/eventually.ts';

test('a process that a test left behind is found by its run, whoever is its parent, and killed', async (t) => {
  const runId = randomUUID();
  // The shell ends at once, so that the sleeper is an orphan in a session of its own.
  const shell = spawn('sh', ['-c', 'setsid sleep 60 >/dev/null 2>&1 & echo $!'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, DROVER_TEST_RUN: runId },
  });
  await once(shell, 'close');
  // A process that is just becoming another program has no environment for a moment.
  const leaked = await eventually(async () => {
    const found = await findLeakedProcesses(runId, 0);
    return found.length > 0 && found;
  });
  t.after(() => leaked.map((leak) => leak.kill()));
  assert.equal(leaked.length, 1);
  assert.match(leaked[0]!.command, /sleep 60/);

  leaked[0]!.kill();
  assert.deepEqual(await findLeakedProcesses(runId, 5000), []);
});

test('processes of another run are left alone', async (t) => {
  const other = spawn('sleep', ['60'], { stdio: 'ignore', env: { ...process.env, DROVER_TEST_RUN: randomUUID() } });
  t.after(() => other.kill('SIGKILL'));
  await once(other, 'spawn');
  assert.deepEqual(await findLeakedProcesses(randomUUID(), 0), []);
});
