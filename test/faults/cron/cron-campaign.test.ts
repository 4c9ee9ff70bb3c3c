import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openLifetime } from '../lib/open-lifetime.ts';
import { type CronCampaignOptions, runCronCampaign } from './run-cron-campaign.ts';

const small = { hosts: 4, ticks: 160, everyMs: 50, skewMs: 500, faultEveryMs: 900, storeKills: 1, seed: 1 } as const;

async function run(options: Omit<CronCampaignOptions, 'lifetime'>) {
  const lifetime = openLifetime();
  try {
    return await runCronCampaign({ ...options, lifetime });
  } finally {
    await lifetime.end();
  }
}

test('hosts with skewed clocks that are killed and frozen, and a Redis that restarts: no tick twice, none missed', async () => {
  const result = await run(small);
  assert.deepEqual(
    { ...result, failures: result.failures.join() },
    { ...result, duplicates: 0, missed: 0, tokensOutOfOrder: 0, failures: '' },
  );
  assert.ok(result.kills + result.pauses >= 3 && result.runs >= 100, JSON.stringify(result));
});

test('the campaign finds the mistake of lock, run, unlock', async () => {
  const { duplicates } = await run({ ...small, ticks: 40, faultEveryMs: 60_000, storeKills: 0, guard: 'lock' });
  assert.ok(duplicates > 0);
});
