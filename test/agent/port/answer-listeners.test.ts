import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { answerListeners } from '../../../agent/port/answer-listeners.ts';
import { readProcessEntry } from '../../../agent/process/process-entry.ts';
import { ownPort } from '../../support/own-port.ts';

const device = fileURLToPath(new URL('../../faults/ports/device.ts', import.meta.url));

test('a listener of another process is named with its pid and start time; a port without one is not named', async (t) => {
  const [port, unused] = [await ownPort(), await ownPort()];
  const child = spawn(process.execPath, [device, String(port), '127.0.0.3', '60000'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.after(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const { startTime } = readProcessEntry(child.pid!)!;
  const { listeners } = await answerListeners({ ports: [port, unused] });
  assert.deepEqual(listeners, [{ port, protocol: 'tcp', address: '127.0.0.3', pid: child.pid, startTime }]);
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  assert.deepEqual(await answerListeners({ ports: [port, unused] }), { listeners: [] });
});
