import { setTimeout as sleep } from 'node:timers/promises';

const pauseMs = 1_000;

/** Looks again and again, at most for `patienceMs`, until nothing is found any more; what the last look has found stays. */
export async function untilNone(look: () => Promise<string[]>, patienceMs: number): Promise<string[]> {
  const giveUpAtMs = performance.now() + patienceMs;
  for (;;) {
    const found = await look();
    if (found.length === 0 || performance.now() > giveUpAtMs) return found;
    await sleep(pauseMs);
  }
}
