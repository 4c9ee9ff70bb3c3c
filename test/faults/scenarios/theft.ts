import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';

import { seedBoot } from '../../../shared/coordination/lease/seed-boot.ts';
import { startRedis } from '../../support/redis.ts';
import { createClocks } from '../../support/shifted-clock.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import type { HolderSettings } from '../lease/holder.ts';
import { startClient } from '../lib/client-process.ts';
import { readHistory } from '../lib/history.ts';
import type { MutexKind } from '../lib/mutex.ts';
import type { Scenario, ScenarioOptions, ScenarioResult } from '../lib/scenario.ts';
import { said } from './abort-lateness.ts';

const program = new URL('../lease/holder.ts', import.meta.url);
const keyCount = 100;
const ttlMs = 900;
const prefix = 'faults';
/** A renewal of 100 leases at once queues behind 99 others, on a machine that has other things to do. */
const queueMs = 60;

/** What is held disappears in Redis at once: the holder can only learn of it by asking, which it does each third of the ttl. */
export function theft(kind: MutexKind): Scenario {
  return {
    name: `theft-${kind}`,
    shows: `a ${kind} that was taken away is noticed within a third of its ttl and one round trip`,
    run: (options) => runTheft({ ...options, kind, rounds: options.isLong ? 10 : 1 }),
  };
}

export async function runTheft(
  options: ScenarioOptions & { kind: MutexKind; rounds: number },
): Promise<ScenarioResult> {
  const figures: Record<string, number> = {};
  const violations: string[] = [];
  const clocks = createClocks(tempDirectory(options.lifetime));
  const clock = clocks?.('redis');
  const thefts: Record<string, (redis: Redis) => unknown> = {
    flushed: (redis) => redis.flushall(),
    ...(options.kind === 'lease' ? { stolen: steal } : {}),
    ...(clock === undefined ? {} : { 'clock of Redis an hour ahead': () => clock.moveBy(3600) }),
  };
  for (const [name, take] of Object.entries(thefts)) {
    const delays: number[] = [];
    for (let round = 0; round < options.rounds; round++) {
      clock?.moveBy(0);
      const start = () => startRedis(options.lifetime);
      const redis = await (clock?.around(start) ?? start());
      const result = await stealOnce(options, redis, take);
      delays.push(...result.delays);
      violations.push(...result.violations);
      await redis.kill();
    }
    const latestMs = Math.max(...delays);
    figures[`${name}: thefts`] = delays.length;
    figures[`${name}: latest ms`] = latestMs;
    const late = delays.filter((delayMs) => delayMs > ttlMs / 3 + queueMs).length;
    if (late > 0) violations.push(`${name}: ${late} were noticed later than ${ttlMs / 3} ms and one round trip`);
    options.progress(`${name}: ${delays.length} thefts, the latest noticed after ${latestMs} ms of ${ttlMs / 3}`);
  }
  return { figures, violations, ...(clock === undefined ? { skipped: 'clock steps: there is no C compiler' } : {}) };
}

async function stealOnce(
  { kind, lifetime }: ScenarioOptions & { kind: MutexKind },
  redis: Awaited<ReturnType<typeof startRedis>>,
  take: (redis: Redis) => unknown,
) {
  const histories = join(tempDirectory(lifetime), 'histories');
  mkdirSync(histories);
  const client = redis.client();
  await seedBoot(client, prefix);
  const settings: HolderSettings = {
    ...{ name: 'holder', kind, prefix, ttlMs },
    url: redis.url,
    keys: Array.from({ length: keyCount }, (_, key) => `k${key}`),
    historyFile: join(histories, 'holder.jsonl'),
  };
  const holder = startClient(program, 'holder', settings);
  lifetime.after(() => holder.kill());
  holder.tell('hold');
  await said(holder, 'holding', 1);
  const takenAtMs = Date.now();
  await take(client);
  await said(holder, 'lost', 1);
  await holder.end();
  client.disconnect();
  const { losses } = readHistory(histories);
  const violations = holder.failure === undefined ? [] : [holder.failure];
  if (losses.length !== keyCount) violations.push(`${losses.length} of ${keyCount} thefts were noticed`);
  return { delays: losses.map(({ wallMs }) => wallMs - takenAtMs), violations };
}

async function steal(redis: Redis): Promise<void> {
  const pipeline = redis.pipeline();
  for (let key = 0; key < keyCount; key++) pipeline.set(`${prefix}:lease:k${key}`, 'thief', 'PX', ttlMs * 10);
  await pipeline.exec();
}
