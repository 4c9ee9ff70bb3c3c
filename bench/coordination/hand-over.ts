import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../lib/median.ts';
import type { TakeLock } from './contend.ts';

/** Holds differ in length, or they would end in step with the tries of one who asks again and again. */
const minHoldMs = 20;
const maxHoldMs = 220;

/** How long the only waiter waits for a lock after the call that lets go of it, in ms: the median over some turns. */
export async function measureHandOver(take: readonly [TakeLock, TakeLock], turns: number): Promise<number> {
  const waits: number[] = [];
  let release = await take[0]();
  for (let turn = 1; turn <= turns; turn++) {
    const waiting = take[turn % 2]!();
    await sleep(minHoldMs + Math.random() * (maxHoldMs - minHoldMs));
    const releasedAt = performance.now();
    const granted = waiting.then((next) => {
      waits.push(performance.now() - releasedAt);
      return next;
    });
    await release();
    release = await granted;
  }
  await release();
  return median(waits);
}
