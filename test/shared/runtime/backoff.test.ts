import assert from 'node:assert/strict';
import { test } from 'node:test';

import { backoffMs } from '../../../shared/runtime/backoff.ts';

test('the bound doubles up to the maximum, and the delay is spread below it', () => {
  const options = { baseMs: 100, maxMs: 1000 };
  const almostOne = () => 0.9999;
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5000].map((attempt) => backoffMs(attempt, options, almostOne)),
    [99, 199, 399, 799, 999, 999],
  );
  assert.equal(
    backoffMs(3, options, () => 0),
    0,
  );
});
