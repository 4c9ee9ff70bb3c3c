import assert from 'node:assert/strict';
import { test } from 'node:test';
import { weightedMedian } from '../../../bench/lib/weighted-median.ts';

test('half of the weight does not exceed the median, whatever the order', () => {
  const rare = { value: 100, weight: 10 };
  const usual = { value: 2, weight: 40 };
  const least = { value: 1, weight: 5 };
  assert.equal(weightedMedian([rare, usual, least]), 2);
  assert.equal(weightedMedian([{ ...rare, weight: 60 }, usual, least]), 100);
  assert.equal(weightedMedian([rare]), 100);
  assert.ok(Number.isNaN(weightedMedian([])));
});
