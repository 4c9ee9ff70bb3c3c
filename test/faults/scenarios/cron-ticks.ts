import { runCronCampaign } from '../cron/run-cron-campaign.ts';
import type { Scenario } from '../lib/scenario.ts';

const everyMs = 50;

export const cronTicks: Scenario = {
  name: 'cron-ticks',
  shows: 'five hosts with clocks up to half a second off, killed and frozen, run each tick once and miss none',
  async run({ isLong, seed, progress, lifetime }) {
    const { failures, missedTicks, ...figures } = await runCronCampaign({
      ...{ lifetime, progress, seed, everyMs, hosts: 5, skewMs: 500 },
      ticks: isLong ? 10_000 : 240,
      faultEveryMs: isLong ? 2000 : 1200,
      storeKills: isLong ? 10 : 1,
    });
    const { duplicates, missed, tokensOutOfOrder } = figures;
    const violations = Object.entries({ duplicates, missed, tokensOutOfOrder })
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${name}: ${count}`);
    return { figures, violations: [...violations, ...missedTicks.map((tick) => `missed: ${tick}`), ...failures] };
  },
};
