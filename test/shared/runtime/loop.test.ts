import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createLoop } from '../../../shared/runtime/loop.ts';
import { eventually } from '../../support/eventually.ts';

test('wake-ups during a run cause exactly one more, and runs never overlap', async (t) => {
  let runs = 0;
  let running = 0;
  let release = () => {};
  const loop = createLoop(
    async () => {
      assert.equal(++running, 1);
      runs++;
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      running--;
    },
    { onError: assert.ifError },
  );
  t.after(() => loop.close());
  await eventually(() => runs === 1);
  loop.wake();
  loop.wake();
  release();
  await eventually(() => runs === 2);
  release();
  await eventually(() => running === 0);
  assert.equal(runs, 2);
});

test('a failed run is reported and the loop goes on', async (t) => {
  const errors: unknown[] = [];
  const run = async () => {
    throw new Error('broken');
  };
  const loop = createLoop(run, { intervalMs: 5, onError: (error) => errors.push(error) });
  t.after(() => loop.close());
  await eventually(() => errors.length >= 3);
});
