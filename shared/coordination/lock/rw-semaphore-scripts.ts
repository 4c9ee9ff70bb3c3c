import { defineScript } from '../../redis/script.ts';
import type { Coordination } from '../coordination.ts';

type Space = [prefix: string, guard: Coordination['guard'], space: 'rw' | 'semaphore', name: string, holder: string];

export type SharedKind = 'read' | 'write' | 'semaphore';

export const acquireRwSemaphore = defineScript<{
  keys: [];
  args: [
    ...Space,
    identity: string,
    participant: string,
    kind: SharedKind,
    permits: number,
    ttlMs: number,
    keptMs: number,
  ];
  reply: ['acquired', epoch: string] | ['held' | 'queued' | 'recovering', ms: number];
}>({
  name: 'acquire-rw-semaphore',
  file: new URL('./scripts/acquire-rw-semaphore.lua', import.meta.url),
  numberOfKeys: 0,
});

export const releaseRwSemaphore = defineScript<{ keys: []; args: Space; reply: 0 | 1 }>({
  name: 'release-rw-semaphore',
  file: new URL('./scripts/release-rw-semaphore.lua', import.meta.url),
  numberOfKeys: 0,
});

export const renewRwSemaphore = defineScript<{
  keys: [];
  args: [...Space, ttlMs: number];
  reply: ['renewed' | 'expired'];
}>({
  name: 'renew-rw-semaphore',
  file: new URL('./scripts/renew-rw-semaphore.lua', import.meta.url),
  numberOfKeys: 0,
});
