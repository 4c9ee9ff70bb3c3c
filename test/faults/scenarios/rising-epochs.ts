import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { seedBoot } from '../../../shared/coordination/lease/seed-boot.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { createClocks, type ShiftedClock } from '../../support/shifted-clock.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import type { ContenderSettings } from '../lease/contender.ts';
import { type ClientProcess, startClient } from '../lib/client-process.ts';
import { readHistory } from '../lib/history.ts';
import { checkLocks } from '../lib/lock-model.ts';
import type { MutexKind } from '../lib/mutex.ts';
import type { Scenario, ScenarioOptions, ScenarioResult } from '../lib/scenario.ts';

const contender = new URL('../lease/contender.ts', import.meta.url);
const processCount = 3;
const keyCount = 20;
const ttlMs = 300;
const prefix = 'faults';
/** Work between two disturbances; after those that lose data nothing is granted for one ttl. */
const restMs = 700;

interface Disturbance {
  readonly appendonly: boolean;
  readonly usesClock?: true;
  disturb(redis: TestRedis, clock: ShiftedClock | undefined, round: number): Promise<void>;
}

const disturbances: Record<string, Disturbance> = {
  'killed, with its file': { appendonly: true, disturb: (redis) => redis.restart() },
  'killed, without data': { appendonly: false, disturb: (redis) => redis.restart() },
  flushed: {
    appendonly: true,
    async disturb(redis) {
      const client = redis.client();
      await client.flushall();
      client.disconnect();
    },
  },
  // Each time back to where it was, so that there are steps in both directions.
  'clock an hour ahead and back': {
    appendonly: true,
    usesClock: true,
    disturb: async (_redis, clock, round) => clock?.moveBy(round % 2 === 0 ? 3600 : 0),
  },
  'clock an hour behind and back': {
    appendonly: true,
    usesClock: true,
    disturb: async (_redis, clock, round) => clock?.moveBy(round % 2 === 0 ? -3600 : 0),
  },
};

export function risingEpochs(kind: MutexKind): Scenario {
  return {
    name: `rising-epochs-${kind}`,
    shows: `each ${kind} has a higher epoch than the one before, over crashes, lost data and clock steps`,
    run: (options) => runRisingEpochs({ ...options, kind, rounds: options.isLong ? 20 : 2 }),
  };
}

export async function runRisingEpochs(
  options: ScenarioOptions & { kind: MutexKind; rounds: number },
): Promise<ScenarioResult> {
  const figures: Record<string, number> = {};
  const violations: string[] = [];
  const clocks = createClocks(tempDirectory(options.lifetime));
  for (const [name, disturbance] of Object.entries(disturbances)) {
    if (disturbance.usesClock && clocks === null) continue;
    const clock = clocks?.('redis');
    const start = () => startRedis(options.lifetime, { appendonly: disturbance.appendonly });
    const redis = await (clock?.around(start) ?? start());
    const disturb = async (round: number) => {
      const once = () => disturbance.disturb(redis, clock, round);
      await (clock?.around(once) ?? once());
    };
    const grants = await countGrants(options, redis, { disturb, movesClock: disturbance.usesClock === true });
    await redis.kill();
    figures[`${name}: grants`] = grants.count;
    violations.push(...grants.violations.map((violation) => `${name}: ${violation}`));
    options.progress(`${name}: ${options.rounds} times, ${grants.count} grants`);
  }
  return { figures, violations, ...(clocks === null ? { skipped: 'clock steps: there is no C compiler' } : {}) };
}

async function countGrants(
  { kind, rounds, lifetime, seed }: ScenarioOptions & { kind: MutexKind; rounds: number },
  redis: TestRedis,
  { disturb, movesClock }: { disturb: (round: number) => Promise<void>; movesClock: boolean },
) {
  const histories = join(tempDirectory(lifetime), 'histories');
  mkdirSync(histories);
  const client = redis.client();
  await seedBoot(client, prefix);
  client.disconnect();
  const clients = Array.from({ length: processCount }, (_, index): ClientProcess => {
    const settings: ContenderSettings = {
      ...{ name: `p${index}`, kind, prefix, ttlMs, url: redis.url, seed: seed + index },
      keys: Array.from({ length: keyCount }, (_, key) => `k${key}`),
      operationsPerKey: Number.MAX_SAFE_INTEGER,
      historyFile: join(histories, `p${index}.jsonl`),
    };
    return startClient(contender, `p${index}`, settings);
  });
  lifetime.after(async () => void (await Promise.all(clients.map((one) => one.kill()))));
  for (let round = 0; round < rounds; round++) {
    await sleep(restMs);
    await disturb(round);
  }
  await sleep(restMs);
  const failures = clients.flatMap(({ failure }) => failure ?? []);
  await Promise.all(clients.map((one) => one.kill()));

  const { operations } = readHistory(histories);
  const grants = operations.filter(({ type, outcome }) => type === 'acquire' && outcome === 'ok');
  // A step of the server's clock ends leases early, which their holders learn only when they ask: there the epochs alone count.
  const judged = movesClock
    ? grants
    : operations.filter(({ type, outcome }) => type !== 'acquire' || outcome !== 'fail');
  const wrong = [...checkLocks(judged)].filter(([, { verdict }]) => verdict !== 'linearizable');
  const violations = [...failures, ...wrong.map(([key, verdict]) => `${key}: ${JSON.stringify(verdict)}`)];
  if (grants.length < keyCount * (rounds + 1)) violations.push(`only ${grants.length} grants: it stood still`);
  return { count: grants.length, violations };
}
