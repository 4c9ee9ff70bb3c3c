import type { Scenario } from '../lib/scenario.ts';
import { runPortsCampaign } from '../ports/run-ports-campaign.ts';

export const ports: Scenario = {
  name: 'ports',
  shows: 'no port is given while somebody listens on it and none is lost, while whole hosts are killed',
  async run({ isLong, seed, progress, lifetime }) {
    const size = isLong
      ? { allocations: 1_000_000, killEvery: 20_000, hosts: 3, processes: 2 }
      : { allocations: 2000, killEvery: 500, hosts: 2, processes: 2 };
    const { invariantViolations, ...figures } = await runPortsCampaign({
      ...{ ...size, seed, progress, lifetime },
      devicePercent: 2,
    });
    const violations = Object.entries({ doubleListeners: figures.doubleListeners, leaks: figures.leaks })
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${name}: ${count}`);
    return { figures: { ...figures }, violations: [...violations, ...invariantViolations] };
  },
};
