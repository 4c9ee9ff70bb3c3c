import { childAbort } from '../../runtime/child-abort.ts';
import type { Coordination } from '../coordination.ts';
import { leaseKeys } from '../lease/lease-keys.ts';
import { type Leader, readLeader } from './read-leader.ts';

export interface ObserveLeaderOptions {
  readonly name: string;
  /** Of the election; the end of a leader that died is told by nobody, and is seen within it. */
  readonly ttlMs: number;
  readonly lockDelayMs: number;
  /** Each of them ends the iteration, without an error. */
  readonly closing: AbortSignal;
  readonly signal?: AbortSignal | undefined;
}

/** Without an answer the next try comes so soon at least: Redis is back within a reconnection, or not soon. */
const retryMs = 500;

/**
 * Who leads now, and then each change. A message says when to look and losing one costs time only; terms that begin and
 * end between two looks are not seen. While Redis is away nothing is told.
 */
export async function* observeLeader(
  coordination: Coordination,
  options: ObserveLeaderOptions,
): AsyncGenerator<Leader | null, void, undefined> {
  const { redis, wakeUps, prefix, clock, logger } = coordination;
  const { name, ttlMs, lockDelayMs, closing, signal } = options;
  const ending = childAbort(closing);
  const end = () => ending.abort();
  signal?.addEventListener('abort', end, { once: true });
  if (signal?.aborted) end();
  let isWoken = false;
  let rest = childAbort(ending.signal);
  const listening = wakeUps.listen(leaseKeys(name, prefix).wakeChannel, () => {
    isWoken = true;
    rest.abort();
  });
  let told: Leader | null | undefined;
  try {
    while (!ending.signal.aborted) {
      isWoken = false;
      let restMs = ttlMs;
      try {
        const leader = await readLeader(redis, name, prefix, lockDelayMs);
        if (ending.signal.aborted) return;
        if (told === undefined || leader?.term !== told?.term) {
          told = leader;
          yield leader;
        }
      } catch (error) {
        restMs = Math.min(ttlMs, retryMs);
        logger.debug('A leader could not be looked up', { name, error });
      }
      if (isWoken) continue;
      rest.abort();
      rest = childAbort(ending.signal);
      await clock.sleep(restMs, rest.signal);
    }
  } finally {
    listening.close();
    rest.abort();
    ending.abort();
    signal?.removeEventListener('abort', end);
  }
}
