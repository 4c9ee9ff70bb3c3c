import assert from 'node:assert/strict';
import { test } from 'node:test';

import { runPortsCampaign } from './run-ports-campaign.ts';

const size = { hosts: 2, processes: 2, seed: 1, devicePercent: 2 };

test('no port is given while somebody listens on it, and none is lost, when whole hosts are killed', async (t) => {
  const result = await runPortsCampaign({ ...size, allocations: 1500, killEvery: 400, lifetime: t });
  assert.deepEqual([result.doubleListeners, result.leaks, result.invariantViolations], [0, 0, []]);
  assert.ok(result.kills >= 2);
});

test('the campaign finds ports that are given twice where keys expire and nobody renews them', async (t) => {
  const mistaken = { ...size, allocations: 400, killEvery: 150, variant: 'expiring-keys', devicePercent: 4 } as const;
  // Whether a device starts between the end of a key and its next owner is chance; a run of it sees that nearly always.
  let doubleListeners = 0;
  for (let seed = 1; seed <= 5 && doubleListeners === 0; seed += 1) {
    doubleListeners += (await runPortsCampaign({ ...mistaken, seed, lifetime: t })).doubleListeners;
  }
  assert.ok(doubleListeners > 0);
});
