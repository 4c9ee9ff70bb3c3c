import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../lib/median.ts';

/** Takes the one contended lock for a client, and returns how to let go of it. */
export type TakeLock = () => Promise<() => Promise<unknown>>;

export interface Contention {
  /** From the call that lets go to another client's having it, in ms. One that takes it back itself hands nothing over. */
  readonly handOverP50Ms: number;
  readonly handOverP95Ms: number;
  /** Grants of the luckiest client divided by those of the unluckiest; infinite when one had none. */
  readonly fairnessMaxMin: number;
  readonly grantsPerSecond: number;
}

/** So many want one lock all the time, each for as long as a short database transaction takes. */
const holdMs = 5;

/** Lets clients contend for one lock, each asking again as soon as it has let go. */
export async function contend(clients: readonly TakeLock[], durationMs: number): Promise<Contention> {
  const grants = clients.map(() => 0);
  const handOvers: number[] = [];
  let released: { readonly by: number; readonly at: number } | undefined;
  const startedAt = performance.now();
  const until = startedAt + durationMs;
  await Promise.all(
    clients.map(async (take, client) => {
      while (performance.now() < until) {
        const release = await take();
        const grantedAt = performance.now();
        if (released !== undefined && released.by !== client) handOvers.push(grantedAt - released.at);
        grants[client]! += 1;
        await sleep(holdMs);
        released = { by: client, at: performance.now() };
        await release();
      }
    }),
  );
  const sorted = handOvers.toSorted((a, b) => a - b);
  return {
    handOverP50Ms: median(sorted),
    handOverP95Ms: sorted[Math.floor(sorted.length * 0.95)] ?? Number.NaN,
    fairnessMaxMin: Math.max(...grants) / Math.min(...grants),
    grantsPerSecond: (grants.reduce((sum, count) => sum + count, 0) / (performance.now() - startedAt)) * 1000,
  };
}
