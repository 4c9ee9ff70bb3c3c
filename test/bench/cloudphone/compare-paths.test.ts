import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparePath } from '../../../bench/cloudphone/compare-paths.ts';

const rounds = { warmUp: 1, measured: 4 };
const spin = (ms: number) => {
  for (const untilMs = performance.now() + ms; performance.now() < untilMs; );
};

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
  let calls = 0;
  const slow = {
    async prepare() {
      spin(5);
      return 'ready';
    },
    async send(prepared: string) {
      assert.equal(prepared, 'ready');
      calls += 1;
      spin(calls === 1 ? 50 : 1);
      return 200;
    },
  };
  const compared = await comparePath({ slow, same: { send: async () => 204 } }, rounds);
  assert.ok(compared.p50Ms.slow! >= 1 && compared.p50Ms.slow! < 5, `${compared.p50Ms.slow}`);
  assert.ok(compared.extraMs('slow', 'same') >= 0.9);
});

test('an answer that is no success ends the comparison', async () => {
  await assert.rejects(comparePath({ a: { send: async () => 500 } }, rounds), /a answered 500/);
});
