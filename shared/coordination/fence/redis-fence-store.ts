import type { Redis } from 'ioredis';

import { raiseFence } from './fence-scripts.ts';
import type { FenceStore } from './fence-store.ts';
import { checkFenceToken } from './fence-token.ts';

export interface RedisFenceStoreOptions {
  readonly redis: Redis;
  /** The resource's own: a resource that shares a name space with others would see tokens meant for them. */
  readonly prefix: string;
  /** For how long a name that nobody uses is remembered, in ms. A holder paused for longer is not seen to be stale. */
  readonly keepMs?: number;
}

/** No process is resumed after a week and still works for an earlier holder; names of one day must not stay for ever. */
const defaultKeepMs = 7 * 24 * 3600_000;

/**
 * Tokens in Redis, for a resource of several processes. What Redis loses it forgets: with a resource whose effects are in
 * a database, keep the tokens there (`createSqlFence`).
 */
export function createRedisFenceStore(options: RedisFenceStoreOptions): FenceStore {
  const { redis, prefix, keepMs = defaultKeepMs } = options;
  return {
    async raise(fence) {
      checkFenceToken(fence);
      return (await raiseFence.run(redis, [`${prefix}:fence:${fence.name}`], [fence.token, keepMs])) === 1;
    },
  };
}
