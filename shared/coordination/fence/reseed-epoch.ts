import type { Redis } from 'ioredis';

import type { SqlExecutor } from '../sql.ts';
import { liftEpoch } from './fence-scripts.ts';
import type { SqlFence } from './sql-fence.ts';

export interface ReseedEpoch {
  readonly redis: Redis;
  /** The counter in Redis that gives out the tokens: of all locks, or of one lease. */
  readonly epochKey: string;
  readonly fence: SqlFence;
  readonly sql: SqlExecutor;
  /** Tokens of this name only; by default of all names, which is right where they share a counter. */
  readonly name?: string;
}

/**
 * Lifts the counter in Redis to the highest token that the database has seen, should Redis have lost it and its clock be
 * behind: without this, holders would be refused as stale until the clock has caught up. Answers whether it was behind.
 * Call it when a new holder is refused with FENCE_STALE at its first `raise`, then take the lock anew.
 */
export async function reseedEpoch({ redis, epochKey, fence, sql, name }: ReseedEpoch): Promise<boolean> {
  const highest = await fence.readHighest(sql, name);
  if (highest === null) return false;
  return (await liftEpoch.run(redis, [epochKey], [highest])) === 1;
}
