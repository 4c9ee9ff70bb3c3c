import { setTimeout as sleep } from 'node:timers/promises';

/** Thrown by a look that knows that waiting is of no use. */
export class Hopeless extends Error {}

/** Looks every `intervalMs` until `look` returns something true, or throws with what was waited for and what was last seen. */
export async function waitUntil<T>(
  what: string,
  look: () => Promise<T | null | undefined | false>,
  { timeoutMs = 20_000, intervalMs = 50 } = {},
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  let last = '';
  for (;;) {
    try {
      const found = await look();
      if (found) return found;
    } catch (error) {
      if (error instanceof Hopeless) throw error;
      last = (error as Error).message;
    }
    if (performance.now() > endMs)
      throw new Error(`Waited ${timeoutMs} ms for: ${what}${last === '' ? '' : ` (last: ${last})`}`);
    await sleep(intervalMs);
  }
}
