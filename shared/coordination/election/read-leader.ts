import type { Redis } from 'ioredis';

import { leaseKeys } from '../lease/lease-keys.ts';

export interface Leader {
  readonly identity: string;
  readonly term: number;
}

/**
 * Who holds the lease `name` now, as Redis sees it, or null. It may have changed when the caller reads the answer.
 * `lockDelayMs` is that of the election: within it after the end of a term nobody leads. Rejects when there is no answer.
 */
export async function readLeader(redis: Redis, name: string, prefix?: string, lockDelayMs = 0): Promise<Leader | null> {
  const keys = leaseKeys(name, prefix);
  const [[token, epoch], restMs] =
    lockDelayMs > 0
      ? await readWithRest(redis, keys.lease, keys.epoch)
      : [await redis.mget(keys.lease, keys.epoch), Number.POSITIVE_INFINITY];
  if (!token || !epoch || restMs <= lockDelayMs) return null;
  return { identity: token.slice(token.indexOf(' ') + 1), term: Number(epoch) };
}

async function readWithRest(redis: Redis, lease: string, epoch: string): Promise<[(string | null)[], number]> {
  const replies = await redis.multi().mget(lease, epoch).pttl(lease).exec();
  const [values, rest] = replies ?? [];
  const error = values?.[0] ?? rest?.[0];
  if (error) throw error;
  return [(values?.[1] ?? []) as (string | null)[], Number(rest?.[1])];
}
