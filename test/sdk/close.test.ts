import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ownPort } from '../support/own-port.ts';
import { startRedis } from '../support/redis.ts';

const program = fileURLToPath(new URL('../fixtures/sdk/uses-everything.ts', import.meta.url));
/** Of the whole program; one with something left open never ends. */
const patienceMs = 20_000;

async function run(t: TestContext, url: string, ...args: string[]): Promise<string> {
  const { PATH, DROVER_TEST_RUN = '' } = process.env;
  const child = spawn(process.execPath, ['--unhandled-rejections=strict', program, ...args], {
    env: { PATH, DROVER_TEST_RUN, DROVER_COORDINATION_URL: url },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: patienceMs,
    killSignal: 'SIGKILL',
  });
  t.after(() => void child.kill('SIGKILL'));
  let output = '';
  const collect = (part: Buffer) => {
    output += part.toString();
  };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', collect);
  const [code, signal] = await once(child, 'close');
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, output);
  return output;
}

test('a process that used everything and closed it ends by itself', async (t) => {
  const redis = await startRedis(t);
  const output = await run(t, redis.url);
  t.diagnostic(output.trim());
  assert.match(output, /^closed after \d+ ms$/m);
  const left = await redis.client().keys('drover-services:lock:*');
  assert.deepEqual(left, []);
});

test('a process that never reached Redis ends by itself after close(), without an unhandled rejection', async (t) => {
  const output = await run(t, `redis://127.0.0.1:${await ownPort()}`, 'away');
  t.diagnostic(output.trim().split('\n').at(-1) ?? '');
  assert.match(output, /^closed after \d+ ms$/m);
});
