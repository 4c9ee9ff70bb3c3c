import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { seedBoot } from '../../../shared/coordination/lease/seed-boot.ts';
import { SeededRandom } from '../../simulation/seeded-random.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import type { ContenderSettings } from '../lease/contender.ts';
import { dataDirectoryOf, readAppendOnlyFile } from '../lib/aof.ts';
import { type ClientProcess, startClient } from '../lib/client-process.ts';
import { readHistory } from '../lib/history.ts';
import { judgeKind } from '../lib/judge-kind.ts';
import type { MutexKind } from '../lib/mutex.ts';
import type { Scenario, ScenarioOptions, ScenarioResult } from '../lib/scenario.ts';

export interface MutualExclusionOptions extends ScenarioOptions {
  readonly kind: MutexKind;
  readonly histories: number;
  readonly operationsPerHistory: number;
  /** Names of faults; default all. */
  readonly faults?: readonly string[];
}

const contender = new URL('../lease/contender.ts', import.meta.url);
const processCount = 5;
/** Histories that share their processes, their Redis and their faults. */
const batchSize = 50;
const ttlMs = 300;
const prefix = 'faults';
/** Between two faults: long enough for work to go on, short enough for tens of them in a batch. */
const restMs = 150;
const maxReported = 10;

const shows = {
  lease: 'one holder of a lease at a time, as Redis and as the holders see it, with rising epochs',
  lock: 'one holder of a lock at a time, as Redis and as the holders see it, with rising epochs',
  rw: 'a writer is alone, readers are among readers, and nobody overtakes, as Redis and as the holders see it',
  semaphore: 'no more permits than there are, and nobody overtakes, as Redis and as the holders see it',
};

/** Of what several may hold: its faults and its waits are the same, and more of them say nothing more. */
const sharedOperations = 200;

export function mutualExclusion(kind: keyof typeof shows): Scenario {
  const operationsPerHistory = kind === 'rw' || kind === 'semaphore' ? sharedOperations : 1000;
  return {
    name: `mutual-exclusion-${kind}`,
    shows: shows[kind],
    run: (options) =>
      runMutualExclusion({ ...options, kind, histories: options.isLong ? 1000 : 50, operationsPerHistory }),
  };
}

export async function runMutualExclusion(options: MutualExclusionOptions): Promise<ScenarioResult> {
  const { histories, progress } = options;
  const totals = { histories: 0, operations: 0, grants: 0, faults: 0, losses: 0 };
  const violations: string[] = [];
  for (let batch = 0; totals.histories < histories; batch++) {
    const size = Math.min(batchSize, histories - totals.histories);
    const result = await runBatch(options, batch, size);
    totals.histories += size;
    for (const name of ['operations', 'grants', 'faults', 'losses'] as const) totals[name] += result[name];
    violations.push(...result.violations);
    progress(`${totals.histories}/${histories} histories, ${totals.operations} operations, ${totals.faults} faults`);
  }
  return { figures: { ...totals, overlaps: violations.length }, violations: violations.slice(0, maxReported) };
}

async function runBatch(options: MutualExclusionOptions, batch: number, size: number) {
  const { kind, seed, lifetime, operationsPerHistory } = options;
  const random = new SeededRandom(seed + batch);
  const directory = tempDirectory(lifetime, 'drover-faults-');
  const histories = join(directory, 'histories');
  mkdirSync(histories);
  const redis = await startRedis(lifetime, { appendonly: true });
  const client = redis.client();
  await seedBoot(client, prefix);
  const dataDirectory = await dataDirectoryOf(client);

  const proxies = await Promise.all(Array.from({ length: 2 }, () => startTcpProxy(lifetime, redis)));

  const clients: ClientProcess[] = [];
  let started = 0;
  lifetime.after(async () => void (await Promise.all(clients.map((one) => one.kill()))));
  const start = (share: number) => {
    const index = started++;
    const name = `p${index}`;
    const proxy = proxies[index % processCount];
    const settings: ContenderSettings = {
      ...{ name, kind, prefix, ttlMs },
      url: proxy === undefined ? redis.url : `redis://127.0.0.1:${proxy.port}`,
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
    const stage: Stage = { redis, proxy: random.pick(proxies), victim: random.pick(running), start };
    const fault = random.pick(options.faults ?? Object.keys(faultKinds));
    await faultKinds[fault]!(stage, ttlMs * (0.3 + 1.2 * random.next()));
    faults++;
  }

  const failures = clients.flatMap(({ failure }) => failure ?? []);
  const { operations, losses } = readHistory(histories);
  const { grants, violations: broken } = judgeKind(kind, {
    ...{ operations, prefix },
    commands: readAppendOnlyFile(dataDirectory),
  });
  const violations = [...failures, ...broken, ...(grants === 0 ? ['Redis saw no grant at all'] : [])];
  client.disconnect();
  await redis.kill();
  return { operations: operations.length, losses: losses.length, grants, faults, violations };
}

interface Stage {
  readonly redis: TestRedis;
  readonly proxy: TcpProxy;
  readonly victim: ClientProcess;
  /** Starts another contender with that share of the operations of the first. */
  start(share: number): void;
}

const faultKinds: Record<string, (stage: Stage, forMs: number) => Promise<void>> = {
  async 'client stopped'({ victim }, forMs) {
    victim.pause();
    await sleep(forMs);
    victim.resume();
  },
  async 'client killed'({ victim, start }) {
    await victim.kill();
    start(0.3);
  },
  async 'redis stopped'({ redis }, forMs) {
    redis.pause();
    await sleep(forMs);
    redis.resume();
  },
  'redis killed': ({ redis }) => redis.restart(),
  async 'link frozen'({ proxy }, forMs) {
    proxy.freeze();
    await sleep(forMs);
    proxy.thaw();
  },
  async 'reply dropped'({ proxy }) {
    proxy.dropOneReply();
    await sleep(ttlMs / 3);
    proxy.reset();
  },
};
