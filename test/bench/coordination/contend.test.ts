import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contend, type TakeLock } from '../../../bench/coordination/contend.ts';

/** A lock of this process that goes to whoever has waited longest, or to whoever asks first once it is free. */
function fairLock() {
  const waiting: (() => void)[] = [];
  let isHeld = false;
  const take: TakeLock = async () => {
    if (isHeld) await new Promise<void>((resolve) => waiting.push(resolve));
    isHeld = true;
    return async () => {
      const next = waiting.shift();
      if (next === undefined) isHeld = false;
      else next();
    };
  };
  return take;
}

test('clients of a fair lock have as many grants as each other', async () => {
  const take = fairLock();
  const { fairnessMaxMin, handOverP50Ms } = await contend([take, take, take, take], 200);
  assert.ok(fairnessMaxMin < 2, `${fairnessMaxMin}`);
  assert.ok(handOverP50Ms >= 0);
});

test('a client that takes the lock again hands nothing over', async () => {
  const { handOverP50Ms, fairnessMaxMin } = await contend([fairLock()], 50);
  assert.ok(Number.isNaN(handOverP50Ms));
  assert.equal(fairnessMaxMin, 1);
});
