import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { compareLoad, joinLoads } from '../../../bench/cloudphone/compare-load.ts';

test('variants are loaded one after the other, there and back, and what fails is counted', async () => {
  const order: string[] = [];
  const kind = (name: string, status: number) => ({
    ...{ name, percent: 100 },
    async send() {
      if (order.at(-1) !== name) order.push(name);
      await sleep(1);
      return status;
    },
  });
  const variants = { a: [kind('a', 200)], b: [kind('b', 500)] };
  const compared = await compareLoad(variants, { clients: 2, turns: 3, turnMs: 30 });
  // Two turns of b follow each other, and two of a.
  assert.equal(order.join(''), 'abab');
  assert.ok(compared.requestsPerSecond('a') > 0 && compared.p50Ms('a') >= 1);
  assert.ok(Math.abs(compared.ratio('p50Ms', 'a', 'a') - 1) < 1e-9 && compared.ratio('p50Ms', 'a', 'b') > 0);
  assert.ok(compared.errors() > 0);
  assert.equal(compared.firstError(), 'b was answered with 500');
  const joined = joinLoads(['a', 'b'], [compared, compared]);
  assert.equal(joined.errors(), 2 * compared.errors());
  assert.equal(joined.turns('a').length, 6);
});
