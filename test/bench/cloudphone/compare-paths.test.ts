import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparePath } from '../../../bench/cloudphone/compare-paths.ts';

const rounds = { warmUp: 1, measured: 4 };
test('each variant is asked in each round, one at a time, and not always in the same order', async () => {
  const asked: string[] = [];
  let isUnderWay = false;
  const variant = (name: string) => ({
    async send() {
      assert.equal(isUnderWay, false);
      isUnderWay = true;
      asked.push(name);
      await new Promise((resolve) => setImmediate(resolve));
      isUnderWay = false;
      return 200;
    },
  });
  await comparePath({ a: variant('a'), b: variant('b') }, rounds);
  assert.deepEqual(asked.slice(2).join(''), 'abbaabba');
});

test('what is prepared is not measured, and neither is what comes before the rounds', async () => {
  let nowMs = 0;
  let calls = 0;
  const slow = {
    async prepare() {
      nowMs += 50;
      return 'ready';
    },
    async send(prepared: string) {
      assert.equal(prepared, 'ready');
      calls += 1;
      nowMs += [900, 4, 3, 8, 5][calls - 1]!;
      return 200;
    },
  };
  const quick = {
    async send() {
      nowMs += 1;
      return 204;
    },
  };
  const compared = await comparePath({ slow, quick }, { ...rounds, nowMs: () => nowMs });
  assert.deepEqual(compared.p50Ms, { slow: 4, quick: 1 });
  assert.equal(compared.extraMs('slow', 'quick'), 3.5);
  assert.deepEqual(compared.sharesPercent('slow', 'quick').slice(0, 1), [75]);
});

test('an answer that is no success ends the comparison', async () => {
  await assert.rejects(comparePath({ a: { send: async () => 500 } }, rounds), /a answered 500/);
});
