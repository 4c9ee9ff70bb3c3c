// npm run faults [-- --long --only name --seed n --json file]: breaks real processes, and checks what the survivors recorded.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { callbacksOnce } from './callback/callback-scenario.ts';
import { openLifetime } from './lib/open-lifetime.ts';
import type { Scenario, ScenarioResult } from './lib/scenario.ts';
import { abortLateness } from './scenarios/abort-lateness.ts';
import { cronTicks } from './scenarios/cron-ticks.ts';
import { failover } from './scenarios/failover.ts';
import { mutualExclusion } from './scenarios/mutual-exclusion.ts';
import { partition } from './scenarios/partition.ts';
import { ports } from './scenarios/ports.ts';
import { quorumExclusion } from './scenarios/quorum-exclusion.ts';
import { recovery } from './scenarios/recovery.ts';
import { risingEpochs } from './scenarios/rising-epochs.ts';
import { staleEffects } from './scenarios/stale-effects.ts';
import { theft } from './scenarios/theft.ts';

const scenarios: readonly Scenario[] = [
  mutualExclusion('lease'),
  staleEffects('lease', ['redis-fence', 'sqlite-fence']),
  abortLateness('lease'),
  theft('lease'),
  risingEpochs('lease'),
  failover('lease'),
  mutualExclusion('lock'),
  mutualExclusion('rw'),
  mutualExclusion('semaphore'),
  quorumExclusion,
  staleEffects('lock', ['redis-fence']),
  abortLateness('lock'),
  theft('lock'),
  risingEpochs('lock'),
  failover('lock'),
  partition('lease'),
  partition('lock'),
  recovery,
  cronTicks,
  callbacksOnce('database'),
  callbacksOnce('ledger'),
  ports,
];

/** What a person reads; the file has all. */
const maxPrinted = 10;

const { values } = parseArgs({
  options: {
    long: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
});
const chosen = scenarios.filter(({ name }) => values.only?.some((part) => name.includes(part)) ?? true);
const seed = Number(values.seed);
if (chosen.length === 0 || !Number.isInteger(seed)) {
  process.stderr.write(`nothing to run; scenarios: ${scenarios.map(({ name }) => name).join(', ')}\n`);
  process.exit(1);
}

const results: Record<string, ScenarioResult & { seconds: number }> = {};
for (const scenario of chosen) {
  process.stdout.write(`\n${scenario.name} (seed ${seed}): ${scenario.shows}\n`);
  const startedAt = performance.now();
  const result = await runOne(scenario);
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
  results[scenario.name] = { ...result, seconds };
  const figures = Object.entries(result.figures).map(([name, value]) => `${name} ${value}`);
  if (figures.length > 0) process.stdout.write(`  ${figures.join(' · ')}\n`);
  if (result.skipped !== undefined) process.stdout.write(`  SKIPPED: ${result.skipped}\n`);
  for (const violation of result.violations.slice(0, maxPrinted)) process.stdout.write(`  BROKEN: ${violation}\n`);
  const unprinted = result.violations.length - maxPrinted;
  if (unprinted > 0) process.stdout.write(`  and ${unprinted} more\n`);
  process.stdout.write(`  ${result.violations.length === 0 ? 'holds' : 'DOES NOT HOLD'}, ${seconds} s\n`);
}
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify({ seed, isLong: values.long, results }, null, 2)}\n`);
}
const broken = Object.entries(results).filter(([, { violations }]) => violations.length > 0);
process.stdout.write(`\n${chosen.length - broken.length} of ${chosen.length} scenarios hold`);
process.stdout.write(broken.length === 0 ? '\n' : `; not: ${broken.map(([name]) => name).join(', ')}\n`);
// Servers and processes have ended with their scenario; a handle that is left must not keep the command from ending.
process.exit(broken.length === 0 ? 0 : 1);

async function runOne(scenario: Scenario): Promise<ScenarioResult> {
  const lifetime = openLifetime();
  const rejections: string[] = [];
  const onRejection = (reason: unknown) => void rejections.push(`unhandled rejection: ${String(reason)}`);
  process.on('unhandledRejection', onRejection);
  const progress = (line: string) => void process.stdout.write(`  … ${line}\n`);
  try {
    const result = await scenario.run({ isLong: values.long, seed, progress, lifetime });
    return { ...result, violations: [...result.violations, ...rejections] };
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { figures: {}, violations: [`the scenario itself failed: ${text}`, ...rejections] };
  } finally {
    await lifetime.end();
    process.off('unhandledRejection', onRejection);
  }
}
