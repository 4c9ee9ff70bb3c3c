// npm run faults [-- --long --only name --seed n --json file]: breaks real processes, and checks what the survivors recorded.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { readArguments } from '../../scripts/read-arguments.ts';
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

const usage = `usage: npm run faults [-- options]

  --only <part>   scenarios with this in their name; may be given several times
  --long          for hours, where it is minutes without
  --seed <n>      of all choices, a whole number (1)
  --json <file>   writes the results there

Scenarios: ${scenarios.map(({ name }) => name).join(', ')}
`;
const { values, chosen, seed } = readArguments(usage, (args) => {
  const { values } = parseArgs({
    args,
    options: {
      long: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true },
      seed: { type: 'string', default: '1' },
      json: { type: 'string' },
    },
  });
  const missing = values.only?.find((part) => !scenarios.some(({ name }) => name.includes(part)));
  if (missing !== undefined) throw new Error(`--only: no scenario has "${missing}" in its name`);
  if (!/^\d{1,15}$/.test(values.seed)) throw new Error(`--seed: "${values.seed}" is not a whole number`);
  const chosen = scenarios.filter(({ name }) => values.only?.some((part) => name.includes(part)) ?? true);
  return { values, chosen, seed: Number(values.seed) };
});

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
