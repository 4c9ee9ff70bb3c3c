import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openLifetime } from '../lib/open-lifetime.ts';
import { measureAborts } from '../scenarios/abort-lateness.ts';
import { runMutualExclusion } from '../scenarios/mutual-exclusion.ts';
import { countStaleEffects } from '../scenarios/stale-effects.ts';

/** The servers and processes of a scenario end the last first, other than the hooks of a test. */
function lifetimeOf(t: { after(cleanUp: () => Promise<void>): void }) {
  const lifetime = openLifetime();
  t.after(() => lifetime.end());
  return lifetime;
}

const options = { isLong: false, seed: 7, progress: () => {} };

test('processes that are stopped, killed and cut off never hold a lease at once', async (t) => {
  const size = { histories: 10, operationsPerHistory: 400 };
  const { violations, figures } = await runMutualExclusion({
    ...{ ...options, ...size, kind: 'lease' as const, lifetime: lifetimeOf(t) },
  });
  assert.deepEqual(violations, []);
  assert.ok(Number(figures.grants) > 100);
});

test('stopped processes show that a lock without tokens and deadlines is held by two at once', async (t) => {
  const size = { histories: 20, operationsPerHistory: 500, faults: ['client stopped'] };
  const { violations } = await runMutualExclusion({
    ...{ ...options, ...size, kind: 'careless' as const, lifetime: lifetimeOf(t) },
  });
  assert.ok(violations.some((violation) => /violated.*assert/.test(violation)));
});

test('a fence refuses each write of a paused holder; without one they take effect', async (t) => {
  const lifetime = lifetimeOf(t);
  const fenced = await countStaleEffects({ lifetime, kind: 'lease', resource: 'redis-fence', rounds: 1 });
  assert.deepEqual({ stale: fenced.stale, refused: fenced.refused }, { stale: 0, refused: fenced.pauses });
  const bare = await countStaleEffects({ lifetime, kind: 'lease', resource: 'unfenced', rounds: 1 });
  assert.ok(bare.stale > 0);
});

test('a holder on a frozen link is told to stop before its lease ends in Redis', async (t) => {
  const lifetime = lifetimeOf(t);
  const { violations } = await measureAborts({
    ...{ ...options, kind: 'lease' as const, rounds: 1, only: ['link frozen'], lifetime },
  });
  assert.deepEqual(violations, []);
});
