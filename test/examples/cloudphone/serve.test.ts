import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { ownPort } from '../../support/own-port.ts';

const program = join(import.meta.dirname, 'answers-when-told.ts');

for (const [signal, another] of [
  ['SIGINT', 'SIGTERM'],
  ['SIGTERM', 'SIGINT'],
] as const) {
  test(`after ${signal} a service answers what is in progress, takes nothing new, and ends by itself`, async (t) => {
    const port = await ownPort();
    const { PATH, DROVER_TEST_RUN } = process.env;
    const child = fork(program, { env: { PATH, DROVER_TEST_RUN, PORT: String(port) } });
    t.after(() => void child.kill('SIGKILL'));
    const ended = once(child, 'exit');
    const ask = (path: string) => fetch(`http://127.0.0.1:${port}${path}`).then((answer) => answer.json());
    await eventually(() => ask('/health'), { timeoutMs: 30_000 });
    const asked = once(child, 'message');
    const answer = ask('/later');
    await asked;

    child.kill(signal);
    await eventually(() => assert.rejects(() => ask('/health')));
    // Who asks twice, in whichever way, does not hurry it.
    child.kill(another);
    child.send('answer');
    assert.deepEqual(await answer, { isOpen: true }, 'what requests stand on is closed after them');
    assert.deepEqual(await ended, [0, null]);
  });
}
