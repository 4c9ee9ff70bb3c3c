import assert from 'node:assert/strict';
import { test } from 'node:test';

import { seedBoot } from '../../../shared/coordination/lease/seed-boot.ts';
import { startRedis } from '../../support/redis.ts';
import { openLifetime } from '../lib/open-lifetime.ts';
import { type CallbackCampaignOptions, runCallbackCampaign } from './callback-campaign.ts';

async function run(t: { after(end: () => Promise<void>): void }, options: Partial<CallbackCampaignOptions>) {
  const lifetime = openLifetime();
  t.after(() => lifetime.end());
  const redis = await startRedis(lifetime, { appendonly: true });
  await seedBoot(redis.client(), 'drover-services');
  return await runCallbackCampaign({
    lifetime,
    redis,
    deliveries: 1500,
    processes: 2,
    seed: 7,
    killEvery: 60,
    ...options,
  });
}

const sound = { doubleEffects: 0, lost: 0, mismatchedReplies: 0, broken: 0 };

test('with a database each callback takes effect once and is answered the same, with processes killed at every await', async (t) => {
  const { killsAt, doubleEffects, lost, mismatchedReplies, broken } = await run(t, { deliveries: 2400 });
  assert.deepEqual({ doubleEffects, lost, mismatchedReplies, broken }, sound);
  assert.equal(Object.keys(killsAt).length, 8, `killed only at ${Object.keys(killsAt)}`);
});

test('with a database Redis may be killed in the middle', async (t) => {
  const { redisKills, doubleEffects, lost, mismatchedReplies, broken } = await run(t, { redisKillEvery: 400 });
  assert.deepEqual({ doubleEffects, lost, mismatchedReplies, broken }, sound);
  assert.ok(redisKills >= 3);
});

test('without a database reconciliation keeps effects single, with processes killed at every await', async (t) => {
  const { killsAt, doubleEffects, lost, mismatchedReplies, broken } = await run(t, { mode: 'ledger' });
  assert.deepEqual({ doubleEffects, lost, mismatchedReplies, broken }, sound);
  assert.ok((killsAt['callback.handled'] ?? 0) > 0 && (killsAt['callback.reconciled'] ?? 0) > 0);
});

test('the campaign sees double effects when a take-over does not ask', async (t) => {
  assert.ok((await run(t, { mode: 'blind', killEvery: 30 })).doubleEffects > 0);
});

test('the campaign sees answers that differ', async (t) => {
  assert.ok((await run(t, { mode: 'forgetful', deliveries: 90 })).mismatchedReplies > 0);
});
