import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openLifetime } from '../lib/open-lifetime.ts';
import { runMutualExclusion } from '../scenarios/mutual-exclusion.ts';

test('processes that stand in line, are stopped, killed and cut off never hold a lock at once', async (t) => {
  const lifetime = openLifetime();
  t.after(() => lifetime.end());
  const { violations, figures } = await runMutualExclusion({
    ...{ isLong: false, seed: 7, progress: () => {}, lifetime },
    ...{ kind: 'lock' as const, histories: 10, operationsPerHistory: 300 },
  });
  assert.deepEqual(violations, []);
  assert.ok(Number(figures.grants) > 100);
});
