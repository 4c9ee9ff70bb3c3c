import assert from 'node:assert/strict';
import { test } from 'node:test';
import { percentile } from '../../../bench/lib/percentile.ts';

test('a percentile is one of the values, whatever their order', () => {
  const values = [5, 1, 4, 2, 3];
  assert.deepEqual(
    [0, 0.2, 0.21, 0.5, 0.99, 1].map((share) => percentile(values, share)),
    [1, 1, 2, 3, 5, 5],
  );
  assert.ok(Number.isNaN(percentile([], 0.5)));
});
