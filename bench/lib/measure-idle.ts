import { setTimeout as sleep } from 'node:timers/promises';
import { readCpuSeconds } from './read-cpu-seconds.ts';
import { type Memory, readMemory } from './read-memory.ts';

export interface IdleUsage extends Memory {
  /** 100 is one core. */
  readonly cpuPercent: number;
}

/**
 * Lets the processes be for `seconds` and answers what each took of the processor in that time, and its memory at the end. In the
 * order of `pids`. @throws when one of them has ended.
 */
export async function measureIdle(pids: readonly number[], seconds: number): Promise<IdleUsage[]> {
  const startedMs = performance.now();
  const before = pids.map(readCpuSeconds);
  await sleep(seconds * 1_000);
  const elapsedSeconds = (performance.now() - startedMs) / 1_000;
  return pids.map((pid, index) => ({
    ...readMemory(pid),
    cpuPercent: (100 * (readCpuSeconds(pid) - (before[index] ?? Number.NaN))) / elapsedSeconds,
  }));
}

/** The usage of several processes together. */
export function sumUsage(usages: readonly IdleUsage[]): IdleUsage {
  const sum = (of: (usage: IdleUsage) => number): number => usages.reduce((total, usage) => total + of(usage), 0);
  return {
    pssMb: sum(({ pssMb }) => pssMb),
    privateMb: sum(({ privateMb }) => privateMb),
    cpuPercent: sum(({ cpuPercent }) => cpuPercent),
  };
}
