import type { Redis } from 'ioredis';

import type { Coordination } from '../coordination.ts';
import { leaseKeys } from './lease-keys.ts';

/**
 * Says that this Redis is new and was never used, so that the first lease need not wait one ttl for a holder that cannot
 * exist. Call it only where that is known, as on the first start of a private server in an empty directory: an empty
 * Redis alone does not show it, because one that lost its data looks the same. Does nothing where a boot is recorded.
 * With the guard `failover` it speaks of the server that runs now, and of no other.
 */
export async function seedBoot(redis: Redis, prefix?: string, guard: Coordination['guard'] = 'data'): Promise<void> {
  let boot = '0';
  if (guard === 'failover') boot += ` ${/run_id:(\w+)/.exec(await redis.info('server'))?.[1]}`;
  await redis.set(leaseKeys('', prefix).boot, boot, 'NX');
}
