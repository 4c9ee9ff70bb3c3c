import type { Redis } from 'ioredis';

import { leaseKeys } from './lease-keys.ts';

/**
 * Says that this Redis is new and was never used, so that the first lease need not wait one ttl for a holder that cannot
 * exist. Call it only where that is known, as on the first start of a private server in an empty directory: an empty
 * Redis alone does not show it, because one that lost its data looks the same. Does nothing where a boot is recorded.
 */
export async function seedBoot(redis: Redis, prefix?: string): Promise<void> {
  await redis.set(leaseKeys('', prefix).boot, '0', 'NX');
}
