import { readFileSync } from 'node:fs';

export interface Memory {
  /** Proportional set size: pages that n processes share count as an n-th for each. */
  readonly pssMb: number;
  /** What would be free if this process ended: does not depend on what else runs. */
  readonly privateMb: number;
}

const kibPerMb = 1_000_000 / 1_024;

/** The memory of a process now. @throws when there is no such process, or it is not ours to read. */
export function readMemory(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? Number.NaN);
  return {
    pssMb: kib('Pss') / kibPerMb,
    privateMb: (kib('Private_Clean') + kib('Private_Dirty') + kib('Private_Hugetlb')) / kibPerMb,
  };
}
