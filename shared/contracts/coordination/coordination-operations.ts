import { callbackOperations } from './callback-operations.ts';
import { channelOperations } from './channel-operations.ts';
import { cronOperations } from './cron-operations.ts';
import { lockOperations } from './lock-operations.ts';
import { portOperations } from './port-operations.ts';

/**
 * The operations through which services that are not Node take part in coordination, and through which people look on.
 * A caller over HTTP keeps what it holds by itself: it renews a lock, extends a run or a callback, and says that it lives,
 * before the time that it was told is over.
 */
export const coordinationOperations = {
  ...lockOperations,
  ...cronOperations,
  ...callbackOperations,
  ...portOperations,
  ...channelOperations,
} as const;
