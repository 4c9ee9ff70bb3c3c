import type { Scenario } from '../lib/scenario.ts';
import { runCronCampaign } from './run-cron-campaign.ts';

/** Ticks, the beat in ms, and how often Redis is killed. The long one takes seven minutes. */
const bounded = { ticks: 500, everyMs: 50, storeKills: 1 };
const long = { ticks: 10_000, everyMs: 40, storeKills: 5 };

/** Ticks of one job on five hosts with skewed clocks, which are killed and frozen, over a Redis that is killed. */
export const cronTicks: Scenario = {
  name: 'cron-ticks',
  shows: 'each tick of a job runs once, and none is missed, whatever dies',
  async run({ isLong, seed, progress, lifetime }) {
    const size = isLong ? long : bounded;
    const result = await runCronCampaign({
      ...size,
      hosts: 5,
      skewMs: 500,
      faultEveryMs: 2000,
      seed,
      progress,
      lifetime,
    });
    const { failures, missedTicks, ...figures } = result;
    const { duplicates, missed, tokensOutOfOrder } = figures;
    const violations = Object.entries({ duplicates, missed, tokensOutOfOrder })
      .filter(([, number]) => number > 0)
      .map(([name, number]) => `${name}: ${number}`);
    if (figures.lostBeforeStart > figures.kills + figures.pauses) {
      violations.push(`lostBeforeStart: ${figures.lostBeforeStart}, more than hosts were killed or frozen`);
    }
    return { figures, violations: [...violations, ...missedTicks, ...failures] };
  },
};
