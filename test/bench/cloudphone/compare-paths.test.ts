import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparePath, joinPaths } from '../../../bench/cloudphone/compare-paths.ts';

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

test('parts of a comparison are one: figures are of all their requests, and neighbours stay neighbours', async () => {
  let nowMs = 0;
  const taking = (ms: number) => ({
    async send() {
      nowMs += ms;
      return 200;
    },
  });
  const part = (a: number, b: number) =>
    comparePath({ a: taking(a), b: taking(b) }, { warmUp: 0, measured: 3, nowMs: () => nowMs });
  const joined = joinPaths([await part(2, 1), await part(20, 16), await part(40, 32)]);
  assert.deepEqual(joined.p50Ms, { a: 20, b: 16 });
  assert.deepEqual(joined.tookMs('a'), [2, 2, 2, 20, 20, 20, 40, 40, 40]);
  assert.equal(joined.extraMs('a', 'b'), 4);
});

test('an answer that is no success ends the comparison', async () => {
  await assert.rejects(comparePath({ a: { send: async () => 500 } }, rounds), /a answered 500/);
});
