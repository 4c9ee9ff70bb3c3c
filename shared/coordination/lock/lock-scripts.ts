import { defineScript } from '../../redis/script.ts';
import type { Coordination } from '../coordination.ts';

/** Keys are made in the scripts, from the prefix: the next in line may want names that the caller does not know. */
type Guarded = [prefix: string, guard: Coordination['guard']];

export const takeFreeLocks = defineScript<{
  keys: [];
  args: [prefix: string, identity: string, ...holderLimitName: (string | number)[]];
  reply: string[];
}>({ name: 'take-free-locks', file: new URL('./scripts/take-free-locks.lua', import.meta.url), numberOfKeys: 0 });

export const freeLocks = defineScript<{
  keys: [];
  args: [prefix: string, ...nameValue: string[]];
  reply: (0 | 1)[];
}>({ name: 'free-locks', file: new URL('./scripts/free-locks.lua', import.meta.url), numberOfKeys: 0 });

export const acquireLock = defineScript<{
  keys: [];
  args: [
    ...Guarded,
    holder: string,
    identity: string,
    participant: string,
    limitMs: number,
    keptMs: number,
    ticket: string,
    ...names: string[],
  ];
  reply: ['acquired', epoch: string] | ['held' | 'recovering', ms: number] | ['queued', ms: number, ticket: string];
}>({ name: 'acquire-lock', file: new URL('./scripts/acquire-lock.lua', import.meta.url), numberOfKeys: 0 });

export const releaseLock = defineScript<{
  keys: [];
  args: [...Guarded, holder: string, isWaiting: '0' | '1', ...names: string[]];
  reply: number;
}>({ name: 'release-lock', file: new URL('./scripts/release-lock.lua', import.meta.url), numberOfKeys: 0 });

export const renewLock = defineScript<{
  keys: [];
  args: [...Guarded, holder: string, limitMs: number, ...names: string[]];
  reply: ['renewed', epoch: string] | ['expired' | 'taken'];
}>({ name: 'renew-lock', file: new URL('./scripts/renew-lock.lua', import.meta.url), numberOfKeys: 0 });

export const breakLockScript = defineScript<{
  keys: [];
  args: [...Guarded, token: number, name: string];
  reply: 0 | 1;
}>({ name: 'break-lock', file: new URL('./scripts/break-lock.lua', import.meta.url), numberOfKeys: 0 });
