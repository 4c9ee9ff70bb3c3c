import { median } from '../lib/median.ts';
import type { CpuMeter } from './cpu-meter.ts';

export interface CompareOptions {
  /** Calls under way at once. */
  readonly inFlight: number;
  readonly rounds: number;
  readonly sliceMs: number;
  readonly cpu: CpuMeter;
}

export interface RateTask {
  call(): Promise<unknown>;
  /** Makes ready for a stretch of calls, unmeasured; answers how many calls it is ready for. Without it any number. */
  prepare?(): Promise<number>;
}

export interface ComparedRate {
  /** Calls per second as a share of the base's: the median over all rounds. */
  readonly ratio: number;
  readonly perSecond: number;
  /** CPU time of one call in this process and in Redis, in µs; unlike rates they depend little on what else runs. */
  readonly clientUs: number;
  readonly serverUs: number;
}

interface Slice {
  readonly perSecond: number;
  readonly clientUs: number;
  readonly serverUs: number;
}

/**
 * Compares the rate of each task with that of `base`, which is measured right before and right after it: a machine whose
 * speed changes from second to second changes all three alike. The median over the rounds.
 */
export async function compareRates<K extends string>(
  base: RateTask,
  tasks: Readonly<Record<K, RateTask>>,
  options: CompareOptions,
): Promise<Record<K | 'base', ComparedRate>> {
  const names = Object.keys(tasks) as K[];
  // What is compiled on first use, and scripts that the server does not know yet, are no part of a rate.
  for (const name of names) await measure(tasks[name], options);
  const bases: Slice[] = [await measure(base, options), await measure(base, options)];
  const slices = new Map<K, (Slice & { ratio: number })[]>(names.map((name) => [name, []]));
  for (let round = 0; round < options.rounds; round++) {
    for (const name of names) {
      const before = bases.at(-1)!;
      const slice = await measure(tasks[name], options);
      const after = await measure(base, options);
      bases.push(after);
      slices.get(name)!.push({ ...slice, ratio: (2 * slice.perSecond) / (before.perSecond + after.perSecond) });
    }
  }
  const compared = names.map((name): [K, ComparedRate] => {
    const own = slices.get(name)!;
    return [name, { ratio: median(own.map(({ ratio }) => ratio)), ...middleOf(own) }];
  });
  return Object.fromEntries([...compared, ['base', { ratio: 1, ...middleOf(bases) }]]) as Record<
    K | 'base',
    ComparedRate
  >;
}

function middleOf(slices: readonly Slice[]): Slice {
  return {
    perSecond: median(slices.map(({ perSecond }) => perSecond)),
    clientUs: median(slices.map(({ clientUs }) => clientUs)),
    serverUs: median(slices.map(({ serverUs }) => serverUs)),
  };
}

/** As many stretches as it takes to measure for `sliceMs`: a task may not be ready for so many calls at once. */
async function measure(task: RateTask, { inFlight, sliceMs, cpu }: CompareOptions): Promise<Slice> {
  let calls = 0;
  let elapsedMs = 0;
  let clientUs = 0;
  let serverUs = 0;
  while (elapsedMs < sliceMs) {
    let left = (await task.prepare?.()) ?? Number.POSITIVE_INFINITY;
    const before = await cpu.read();
    const startedAt = performance.now();
    const until = startedAt + sliceMs - elapsedMs;
    const caller = async () => {
      while (left > 0 && performance.now() < until) {
        left -= 1;
        await task.call();
        calls += 1;
      }
    };
    await Promise.all(Array.from({ length: inFlight }, caller));
    elapsedMs += performance.now() - startedAt;
    const after = await cpu.read();
    clientUs += after.clientUs - before.clientUs;
    serverUs += after.serverUs - before.serverUs;
  }
  return { perSecond: (calls / elapsedMs) * 1000, clientUs: clientUs / calls, serverUs: serverUs / calls };
}
