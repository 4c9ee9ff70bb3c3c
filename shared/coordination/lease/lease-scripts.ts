import { defineScript } from '../../redis/script.ts';

export const acquireLease = defineScript<{
  keys: [lease: string, epoch: string, boot: string];
  args: [token: string, ttlMs: number];
  reply: ['acquired', epoch: string] | ['held' | 'recovering', remainingMs: number];
}>({ name: 'acquire-lease', file: new URL('./scripts/acquire-lease.lua', import.meta.url), numberOfKeys: 3 });

export const renewLease = defineScript<{
  keys: [lease: string];
  args: [token: string, ttlMs: number];
  reply: 'renewed' | 'expired' | 'taken';
}>({ name: 'renew-lease', file: new URL('./scripts/renew-lease.lua', import.meta.url), numberOfKeys: 1 });

export const releaseLease = defineScript<{
  keys: [lease: string];
  args: [token: string, wakeChannel: string];
  reply: 0 | 1;
}>({ name: 'release-lease', file: new URL('./scripts/release-lease.lua', import.meta.url), numberOfKeys: 1 });
