import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openLifetime } from '../lib/open-lifetime.ts';
import { runQuorumExclusion } from '../scenarios/quorum-exclusion.ts';

test('while one of three masters is frozen, killed or emptied, a quorum lock has one holder and rising tokens', async (t) => {
  const lifetime = openLifetime();
  t.after(() => lifetime.end());
  const { violations, figures } = await runQuorumExclusion({
    ...{ isLong: false, seed: 7, progress: () => {}, lifetime },
    ...{ histories: 6, operationsPerHistory: 60 },
  });
  assert.deepEqual(violations, []);
  assert.ok(Number(figures.grants) > 20);
});
