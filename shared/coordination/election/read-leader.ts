import type { Redis } from 'ioredis';

import { leaseKeys } from '../lease/lease-keys.ts';

export interface Leader {
  readonly identity: string;
  readonly term: number;
}

/** Who holds the lease `name` now, as Redis sees it, or null. It may have changed when the caller reads the answer. */
export async function readLeader(redis: Redis, name: string, prefix?: string): Promise<Leader | null> {
  const keys = leaseKeys(name, prefix);
  const [token, epoch] = await redis.mget(keys.lease, keys.epoch);
  if (!token || !epoch) return null;
  return { identity: token.slice(token.indexOf(' ') + 1), term: Number(epoch) };
}
