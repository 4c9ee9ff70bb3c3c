import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { pickUpstream } from '../../../agent/router/pick-upstream.ts';

const candidate = (load: number, weight = 1, ejected = false) => ({ load, weight, isEjected: () => ejected });

test('the least loaded per weight is chosen', () => {
  const heavy = candidate(4, 4);
  assert.equal(
    pickUpstream([candidate(2), heavy, candidate(3)], [], 0, () => 0),
    heavy,
  );
});

test('among equals the choice is random and even', () => {
  const equals = [candidate(1), candidate(1), candidate(1)];
  let seed = 7;
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const counts = equals.map(() => 0);
  for (let i = 0; i < 3_000; i++) counts[equals.indexOf(pickUpstream(equals, [], 0, random)!)]!++;
  for (const count of counts) assert.ok(count > 850 && count < 1_150, `counts ${counts}`);
});

test('an ejected one is chosen only when no other is left, and weight 0 never', () => {
  const out = candidate(0, 1, true);
  const busy = candidate(9);
  assert.equal(
    pickUpstream([out, busy, candidate(0, 0)], [], 0, () => 0),
    busy,
  );
  assert.equal(
    pickUpstream([out, busy], [busy], 0, () => 0),
    out,
  );
  assert.equal(
    pickUpstream([candidate(0, 0)], [], 0, () => 0),
    null,
  );
});

test('what was tried is never chosen again', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(5), { minLength: 1, maxLength: 6 }), fc.nat(6), (loads, triedCount) => {
      const all = loads.map((load) => candidate(load));
      const tried = all.slice(0, triedCount);
      const chosen = pickUpstream(all, tried, 0, () => 0.5);
      assert.equal(chosen === null, tried.length === all.length);
      assert.ok(chosen === null || !tried.includes(chosen));
    }),
  );
});
