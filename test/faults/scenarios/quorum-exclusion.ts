import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { seedBoot } from '../../../shared/coordination/lease/seed-boot.ts';
import { SeededRandom } from '../../simulation/seeded-random.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import { type ClientProcess, startClient } from '../lib/client-process.ts';
import { readHistory } from '../lib/history.ts';
import { checkLocks } from '../lib/lock-model.ts';
import type { Scenario, ScenarioOptions, ScenarioResult } from '../lib/scenario.ts';
import type { QuorumContenderSettings } from '../quorum/quorum-contender.ts';

export interface QuorumExclusionOptions extends ScenarioOptions {
  readonly histories: number;
  readonly operationsPerHistory: number;
}

const contender = new URL('../quorum/quorum-contender.ts', import.meta.url);
const processCount = 4;
const masterCount = 3;
/** Each costs three masters and a try of several round trips: more of them would wait for the processor. */
const batchSize = 25;
const ttlMs = 900;
const prefix = 'faults';
const restMs = 250;
const maxReported = 10;

export const quorumExclusion: Scenario = {
  name: 'mutual-exclusion-quorum',
  shows:
    'one holder of a quorum lock at a time, with rising tokens, while one of three masters is frozen, killed or emptied',
  run: (options) =>
    runQuorumExclusion({ ...options, histories: options.isLong ? 1000 : 25, operationsPerHistory: 120 }),
};

export async function runQuorumExclusion(options: QuorumExclusionOptions): Promise<ScenarioResult> {
  const { histories, progress } = options;
  const totals = { histories: 0, operations: 0, grants: 0, faults: 0, losses: 0 };
  const violations: string[] = [];
  for (let batch = 0; totals.histories < histories; batch++) {
    const size = Math.min(batchSize, histories - totals.histories);
    const result = await runBatch(options, batch, size);
    totals.histories += size;
    for (const name of ['operations', 'grants', 'faults', 'losses'] as const) totals[name] += result[name];
    violations.push(...result.violations);
    progress(`${totals.histories}/${histories} histories, ${totals.grants} grants, ${totals.faults} faults`);
  }
  return { figures: { ...totals, overlaps: violations.length }, violations: violations.slice(0, maxReported) };
}

async function runBatch(options: QuorumExclusionOptions, batch: number, size: number) {
  const { seed, lifetime, operationsPerHistory } = options;
  const random = new SeededRandom(seed + batch);
  const histories = join(tempDirectory(lifetime, 'drover-faults-'), 'histories');
  mkdirSync(histories);
  const masters = await Promise.all(Array.from({ length: masterCount }, () => startRedis(lifetime)));
  await Promise.all(masters.map((master) => seedBoot(master.client(), prefix)));

  const clients: ClientProcess[] = [];
  lifetime.after(async () => void (await Promise.all(clients.map((one) => one.kill()))));
  const start = (share: number) => {
    const name = `p${clients.length}`;
    const settings: QuorumContenderSettings = {
      ...{ name, prefix, ttlMs },
      urls: masters.map(({ url }) => url),
      keys: Array.from({ length: size }, (_, key) => `k${batch}-${key}`),
      operationsPerKey: Math.ceil((operationsPerHistory / processCount) * share),
      seed: random.between(0, 1e9),
      historyFile: join(histories, `${name}.jsonl`),
    };
    clients.push(startClient(contender, name, settings));
  };
  for (let index = 0; index < processCount; index++) start(1);

  let faults = 0;
  while (clients.some((one) => one.isRunning)) {
    await sleep(restMs * (0.5 + random.next()));
    const running = clients.filter((one) => one.isRunning);
    if (running.length === 0) break;
    const fault = random.pick(Object.keys(faultKinds));
    const stage: Stage = { master: random.pick(masters), victim: random.pick(running), start };
    await faultKinds[fault]!(stage, ttlMs * (0.3 + 1.2 * random.next()));
    faults++;
  }

  const { operations, losses } = readHistory(histories);
  const grants = operations.filter(({ type, outcome }) => type === 'acquire' && outcome === 'ok').length;
  const wrong = [...checkLocks(operations)].filter(([, { verdict }]) => verdict !== 'linearizable');
  const violations = [
    ...clients.flatMap(({ failure }) => failure ?? []),
    ...wrong.map(([key, verdict]) => `${key}: ${JSON.stringify(verdict)}`),
    ...(grants === 0 ? ['nothing was granted'] : []),
  ];
  await Promise.all(masters.map((master) => master.kill()));
  return { operations: operations.length, losses: losses.length, grants, faults, violations };
}

interface Stage {
  readonly master: TestRedis;
  readonly victim: ClientProcess;
  /** Starts another contender with that share of the operations of the first. */
  start(share: number): void;
}

/** One at a time: of the masters never more than one is away. */
const faultKinds: Record<string, (stage: Stage, forMs: number) => Promise<void>> = {
  async 'master frozen'({ master }, forMs) {
    master.pause();
    await sleep(forMs);
    master.resume();
  },
  async 'master killed'({ master }, forMs) {
    await master.kill();
    await sleep(forMs);
    await master.restart();
  },
  'master emptied': ({ master }) => master.restart(),
  async 'client stopped'({ victim }, forMs) {
    victim.pause();
    await sleep(forMs);
    victim.resume();
  },
  async 'client killed'({ victim, start }) {
    await victim.kill();
    start(0.3);
  },
};
