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
  const variant = 'expiring-keys';
  const result = await runPortsCampaign({
    ...size,
    allocations: 400,
    killEvery: 150,
    variant,
    devicePercent: 4,
    lifetime: t,
  });
  assert.ok(result.doubleListeners > 0);
});
