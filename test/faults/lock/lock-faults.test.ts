import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openLifetime } from '../lib/open-lifetime.ts';
import { type MutualExclusionOptions, runMutualExclusion } from '../scenarios/mutual-exclusion.ts';

async function run(
  t: { after(cleanUp: () => Promise<void>): void },
  campaign: Pick<MutualExclusionOptions, 'kind' | 'histories' | 'operationsPerHistory' | 'faults'>,
) {
  const lifetime = openLifetime();
  t.after(() => lifetime.end());
  return await runMutualExclusion({ isLong: false, seed: 7, progress: () => {}, lifetime, ...campaign });
}

const held = {
  lock: 'processes that stand in line, are stopped, killed and cut off never hold a lock at once',
  rw: 'under the same faults a writer is alone, and nobody overtakes who waits before him',
  semaphore: 'under the same faults there are never more permits than there are',
} as const;

for (const kind of ['lock', 'rw', 'semaphore'] as const) {
  test(held[kind], async (t) => {
    const { violations, figures } = await run(t, { kind, histories: 8, operationsPerHistory: 150 });
    assert.deepEqual(violations, []);
    assert.ok(Number(figures.grants) > 100);
  });
}

test('stopped processes show that permits whose holders are told nothing are held by too many', async (t) => {
  const campaign = { histories: 20, operationsPerHistory: 400, faults: ['client stopped'] };
  const { violations } = await run(t, { kind: 'careless-semaphore', ...campaign });
  assert.ok(violations.some((violation) => /held at once: permit/.test(violation)));
});
