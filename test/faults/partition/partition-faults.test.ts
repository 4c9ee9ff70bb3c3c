import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openLifetime } from '../lib/open-lifetime.ts';
import { runPartition } from '../scenarios/partition.ts';

test('who is cut off with the master lets each lock go before the other side has it, and writes nothing afterwards', async (t) => {
  const lifetime = openLifetime();
  t.after(() => lifetime.end());
  const { violations, figures, skipped } = await runPartition({
    ...{ isLong: false, seed: 7, progress: () => {}, lifetime },
    ...{ kind: 'lock', rounds: 1 },
  });
  if (skipped !== undefined) return t.skip(skipped);
  assert.deepEqual(violations, []);
  assert.equal(figures.refused, figures.keys);
});
