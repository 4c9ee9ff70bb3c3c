import { median } from '../lib/median.ts';

export interface CompareOptions {
  /** Calls under way at once. */
  readonly inFlight: number;
  readonly rounds: number;
  readonly sliceMs: number;
}

/**
 * Calls per second of each task as a share of the first task's, measured in turns: a machine whose speed changes from
 * second to second changes all of one round alike. The median over the rounds; the first task's is its own rate per second.
 */
export async function compareRates<K extends string>(
  tasks: Readonly<Record<K, () => Promise<unknown>>>,
  options: CompareOptions,
): Promise<Record<K, number>> {
  const names = Object.keys(tasks) as K[];
  const [base] = names as [K];
  // What is compiled on first use, and scripts that the server does not know yet, are no part of a rate.
  for (const name of names) await rate(tasks[name], { ...options, sliceMs: options.sliceMs / 2 });
  const rounds: Record<K, number>[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const rates = {} as Record<K, number>;
    for (const name of names) rates[name] = await rate(tasks[name], options);
    rounds.push(rates);
  }
  const shares = names.map((name): [K, number] => {
    const values = rounds.map((rates) => (name === base ? rates[base] : rates[name] / rates[base]));
    return [name, median(values)];
  });
  return Object.fromEntries(shares) as Record<K, number>;
}

async function rate(task: () => Promise<unknown>, { inFlight, sliceMs }: CompareOptions): Promise<number> {
  const startedAt = performance.now();
  const until = startedAt + sliceMs;
  let calls = 0;
  const caller = async () => {
    while (performance.now() < until) {
      await task();
      calls += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  return (calls / (performance.now() - startedAt)) * 1000;
}
