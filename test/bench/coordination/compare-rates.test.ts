import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareRates } from '../../../bench/coordination/compare-rates.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const cpu = { read: async () => ({ clientUs: 0, serverUs: 0 }) };

test('a task is called as often as it is ready for, and with no more calls under way than asked for', async () => {
  const readyFor = 7;
  let ready = 0;
  let underWay = 0;
  let most = 0;
  const task = {
    async prepare() {
      assert.equal(underWay, 0);
      ready = readyFor;
      return readyFor;
    },
    async call() {
      assert.ok(ready > 0);
      ready -= 1;
      underWay += 1;
      most = Math.max(most, underWay);
      await turn();
      underWay -= 1;
    },
  };
  const rates = await compareRates({ call: turn }, { task }, { inFlight: 3, rounds: 2, sliceMs: 10, cpu });
  assert.equal(most, 3);
  assert.equal(rates.base.ratio, 1);
  assert.ok(rates.task.ratio > 0 && rates.task.perSecond > 0);
});

test('a failure of a task fails the comparison', async () => {
  const task = { call: () => Promise.reject(new Error('refused')) };
  const comparing = compareRates({ call: turn }, { task }, { inFlight: 3, rounds: 1, sliceMs: 10, cpu });
  await assert.rejects(comparing, /refused/);
});
