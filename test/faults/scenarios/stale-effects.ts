import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { seedBoot } from '../../../shared/coordination/lease/seed-boot.ts';
import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { eventually } from '../../support/eventually.ts';
import { startRedis } from '../../support/redis.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import type { PausingWriterSettings } from '../lease/pausing-writer.ts';
import { findStaleEffects } from '../lib/check-stale-effects.ts';
import { type ClientProcess, startClient } from '../lib/client-process.ts';
import type { MutexKind } from '../lib/mutex.ts';
import { openResource, type ResourceKind } from '../lib/resource.ts';
import type { Scenario, ScenarioOptions } from '../lib/scenario.ts';

const program = new URL('../lease/pausing-writer.ts', import.meta.url);
/** Leases that one pause hits at once. */
const keyCount = 100;
const ttlMs = 400;
const prefix = 'faults';
const roundTimeoutMs = 20_000;

/** Stale effects behind each resource, and behind none, where there have to be some: else the pauses prove nothing. */
export function staleEffects(kind: MutexKind, fences: readonly Exclude<ResourceKind, 'unfenced'>[]): Scenario {
  return {
    name: `stale-effects-${kind}`,
    shows: `no write of a paused holder of a ${kind} takes effect after one of the next holder, where a fence is`,
    async run(options) {
      const figures: Record<string, number> = {};
      const violations: string[] = [];
      for (const resource of fences) {
        const rounds = options.isLong ? 10_000 / keyCount : 3;
        const { pauses, stale, refused, failures } = await countStaleEffects({ ...options, kind, resource, rounds });
        figures[`${resource} pauses`] = pauses;
        figures[`${resource} stale`] = stale;
        figures[`${resource} refused`] = refused;
        violations.push(...failures);
        if (stale > 0) violations.push(`${stale} stale effects behind ${resource}`);
        if (refused === 0) violations.push(`${resource} never refused a write: no pause was long enough`);
        options.progress(`${resource}: ${pauses} pauses, ${refused} writes refused, ${stale} stale effects`);
      }
      const bare = await countStaleEffects({ ...options, kind, resource: 'unfenced', rounds: 1 });
      figures['unfenced stale'] = bare.stale;
      violations.push(...bare.failures);
      if (bare.stale === 0)
        violations.push('without a fence there was no stale effect either: the pauses prove nothing');
      options.progress(`unfenced: ${bare.pauses} pauses, ${bare.stale} stale effects, as it has to be`);
      return { figures, violations };
    },
  };
}

export interface StaleEffectsOptions extends Pick<ScenarioOptions, 'lifetime'> {
  readonly kind: MutexKind;
  readonly resource: ResourceKind;
  readonly rounds: number;
}

export async function countStaleEffects(options: StaleEffectsOptions) {
  const { kind, resource, rounds, lifetime } = options;
  const redis = await startRedis(lifetime);
  const coordination = openCoordination({ url: redis.url, identity: 'observer', prefix });
  lifetime.after(() => coordination.close());
  await coordination.ready();
  await seedBoot(coordination.redis, prefix);
  const resourceFile = join(tempDirectory(lifetime), 'resource.db');
  const observer = await openResource(resource, { coordination, file: resourceFile });
  const keys = Array.from({ length: keyCount }, (_, key) => `k${key}`);
  const settings = { url: redis.url, kind, resource, resourceFile, prefix, keys, ttlMs };
  const start = (name: string, pauses: boolean) => {
    const client = startClient(program, name, { ...settings, name, pauses } satisfies PausingWriterSettings);
    lifetime.after(() => client.kill());
    return client;
  };
  const paused = start('paused', true);
  const next = start('next', false);

  let pauses = 0;
  for (let round = 1; round <= rounds; round++) {
    paused.tell('go');
    await eventually(() => isStopped(paused), { timeoutMs: roundTimeoutMs, intervalMs: 5 });
    next.tell('go');
    await eventually(() => doneCount(next) === round, { timeoutMs: roundTimeoutMs, intervalMs: 5 });
    paused.resume();
    await eventually(() => doneCount(paused) === round, { timeoutMs: roundTimeoutMs, intervalMs: 5 });
  }
  for (const line of paused.lines) pauses += Number(/^pausing (\d+)$/.exec(line)?.[1] ?? 0);
  await Promise.all([paused.end(), next.end()]);
  const effects = await observer.effects(keys);
  observer.close();
  const failures = [paused, next].flatMap(({ failure }) => failure ?? []);
  const written = pauses + rounds * keyCount;
  const stale = findStaleEffects(effects).length;
  await coordination.close();
  await redis.kill();
  return { pauses, stale, refused: written - effects.length, failures };
}

function doneCount({ lines }: ClientProcess): number {
  return lines.filter((line) => line === 'done').length;
}

/** By the kernel's own word: stopped by a signal. */
function isStopped({ pid, failure }: ClientProcess): boolean {
  if (failure !== undefined) throw new Error(failure);
  const file = `/proc/${pid}/stat`;
  return existsSync(file) && /^\d+ \(.*\) T /.test(readFileSync(file, 'utf8'));
}
