import { seedBoot } from '../../../shared/coordination/lease/seed-boot.ts';
import { startRedis } from '../../support/redis.ts';
import type { Scenario } from '../lib/scenario.ts';
import { runCallbackCampaign } from './callback-campaign.ts';
import type { CallbackMode } from './deliverer.ts';

const bounded = { database: 9000, ledger: 3000 };
/** The database has to show the large number; the ledger shows that reconciliation does what it is for. */
const long = { database: 1_000_000, ledger: 100_000 };
const killEvery = { bounded: 300, long: 3000 };
/** Redis writes to its file once a second: with a ledger alone a callback that it forgot would run again, so it stays up. */
const redisKillEvery = { bounded: 3000, long: 50_000 };

/** Callbacks under crashes at every await, with duplicates side by side and out of order. */
export function callbacksOnce(mode: CallbackMode & ('database' | 'ledger')): Scenario {
  return {
    name: `callbacks-once-${mode}`,
    shows: 'each callback takes effect once and is answered the same each time, whatever dies',
    async run({ isLong, seed, progress, lifetime }) {
      const redis = await startRedis(lifetime, { appendonly: true });
      await seedBoot(redis.client(), 'drover-services');
      const { killsAt, brokenReason, ...figures } = await runCallbackCampaign({
        ...{ lifetime, redis, seed, mode, progress },
        deliveries: (isLong ? long : bounded)[mode],
        killEvery: isLong ? killEvery.long : killEvery.bounded,
        ...(mode === 'database' ? { redisKillEvery: isLong ? redisKillEvery.long : redisKillEvery.bounded } : {}),
      });
      const { doubleEffects, lost, mismatchedReplies, broken } = figures;
      const violations = Object.entries({ doubleEffects, lost, mismatchedReplies, broken })
        .filter(([, number]) => number > 0)
        .map(([name, number]) => `${name}: ${number}${name === 'broken' ? ` (${brokenReason})` : ''}`);
      return { figures: { ...figures, killsAt: JSON.stringify(killsAt) }, violations };
    },
  };
}
