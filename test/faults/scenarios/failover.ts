import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { seedBoot } from '../../../shared/coordination/lease/seed-boot.ts';
import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { eventually } from '../../support/eventually.ts';
import { type SentinelSet, startSentinelSet } from '../../support/sentinel.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import type { ContenderSettings } from '../lease/contender.ts';
import { type ClientProcess, startClient } from '../lib/client-process.ts';
import { machineMicros, type Operation, readHistory } from '../lib/history.ts';
import { checkLocks } from '../lib/lock-model.ts';
import type { MutexKind } from '../lib/mutex.ts';
import type { Scenario, ScenarioOptions, ScenarioResult } from '../lib/scenario.ts';

const contender = new URL('../lease/contender.ts', import.meta.url);
const processCount = 4;
const keyCount = 10;
const ttlMs = 1500;
const prefix = 'faults';
/** Noticing (1.5 s), electing and promoting, with some room; the promise is that much and one ttl of grace and two seconds. */
const failoverMs = 5000;
const boundMs = failoverMs + ttlMs + 2000;
const restMs = 2500;

/** Two ways to lose a master: gone at once, or silent, and back as a master that was replaced meanwhile. */
const faults = {
  killed: async (set: SentinelSet) => {
    const master = await set.master();
    await master.kill();
    return () => master.start();
  },
  stopped: async (set: SentinelSet) => {
    const master = await set.master();
    master.pause();
    return async () => master.resume();
  },
};

export function failover(kind: MutexKind): Scenario {
  return {
    name: `failover-${kind}`,
    shows: `a ${kind} has one holder and rising epochs over the failover of Sentinels, and is granted again in time`,
    run: (options) => (options.isLong ? runLong({ ...options, kind }) : runFailover({ ...options, kind, rounds: 1 })),
  };
}

/** Twenty rounds, each on a set of servers of its own: what the clients record in all of them does not fit into memory. */
async function runLong(options: ScenarioOptions & { kind: MutexKind }): Promise<ScenarioResult> {
  const figures = { failovers: 0, slowestMs: 0, operations: 0 };
  const violations: string[] = [];
  for (let part = 0; part < 20; part++) {
    const result = await runFailover({ ...options, seed: options.seed + 100 * part, rounds: 1 });
    figures.failovers += Number(result.figures.failovers);
    figures.slowestMs = Math.max(figures.slowestMs, Number(result.figures.slowestMs));
    figures.operations += Number(result.figures.operations);
    violations.push(...result.violations);
  }
  return { figures, violations };
}

export async function runFailover(
  options: ScenarioOptions & { kind: MutexKind; rounds: number },
): Promise<ScenarioResult> {
  const { kind, isLong, lifetime, seed, rounds, progress } = options;
  const set = await startSentinelSet(lifetime);
  const coordination = openCoordination({ url: set.url, identity: 'observer', prefix });
  lifetime.after(() => coordination.close());
  await coordination.ready();
  await seedBoot(coordination.redis, prefix);
  const histories = join(tempDirectory(lifetime), 'histories');
  mkdirSync(histories);
  const clients = Array.from({ length: processCount }, (_, index): ClientProcess => {
    const settings: ContenderSettings = {
      ...{ name: `p${index}`, kind, prefix, ttlMs, url: set.url, seed: seed + index },
      keys: Array.from({ length: keyCount }, (_, key) => `k${key}`),
      operationsPerKey: Number.MAX_SAFE_INTEGER,
      historyFile: join(histories, `p${index}.jsonl`),
      // One that is written after a reply is on a replica too.
      minReplicas: 1,
    };
    return startClient(contender, `p${index}`, settings);
  });
  lifetime.after(async () => void (await Promise.all(clients.map((one) => one.kill()))));

  const gapsMs: number[] = [];
  const violations: string[] = [];
  await sleep(restMs);
  for (let round = 0; round < rounds; round++) {
    for (const [name, fault] of Object.entries(faults)) {
      if (!isLong && kind === 'lease' && name === 'stopped') continue;
      const before = await set.master();
      const at = machineMicros();
      const mend = await fault(set);
      await eventually(async () => (await set.master()) !== before, { timeoutMs: 30_000, intervalMs: 100 });
      const again = await eventually(() => firstGrantsAfter(histories, at + 1000 * ttlMs), {
        timeoutMs: 30_000,
        intervalMs: 250,
      }).catch(() => undefined);
      await mend();
      const gapMs = again === undefined ? Number.NaN : Math.round((again - at) / 1000);
      gapsMs.push(gapMs);
      progress(`master ${name}: every ${kind} granted again after ${gapMs} ms of ${boundMs}`);
      if (!(gapMs <= boundMs)) violations.push(`master ${name}: granted again after ${gapMs} ms, over ${boundMs}`);
      await sleep(restMs);
      // A grant needs a replica: the set has to be able to lose one again.
      await eventually(() => set.isWhole(), { timeoutMs: 60_000, intervalMs: 250 });
    }
  }
  violations.push(...clients.flatMap(({ failure }) => failure ?? []));
  await Promise.all(clients.map((one) => one.kill()));
  const { operations } = readHistory(histories);
  const verdicts = checkLocks(withoutRefusals(operations));
  for (const [key, verdict] of verdicts) {
    if (verdict.verdict !== 'linearizable') violations.push(`${key}: ${JSON.stringify(verdict)}`);
  }
  const figures = { failovers: gapsMs.length, slowestMs: Math.max(...gapsMs), operations: operations.length };
  return { figures, violations };
}

/**
 * When the last of all keys was granted for the first time since `at`; false while one of them was not. Who stood in line
 * all the while counts: those who came later wait for a turn that may be long.
 */
function firstGrantsAfter(histories: string, at: number): number | false {
  const first = new Map<string, number>();
  for (const { type, outcome, key, completeAt } of readHistory(histories).operations) {
    if (type !== 'acquire' || outcome !== 'ok' || completeAt < at) continue;
    first.set(key, Math.min(first.get(key) ?? completeAt, completeAt));
  }
  return first.size < keyCount ? false : Math.max(...first.values());
}

/** A replica that was promoted may remember a holder whose release it never saw: refusals say nothing here. */
function withoutRefusals(operations: readonly Operation[]): Operation[] {
  return operations.filter(({ type, outcome }) => !(type === 'acquire' && outcome === 'fail'));
}
