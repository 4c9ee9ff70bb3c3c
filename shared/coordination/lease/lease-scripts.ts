import { defineScript } from '../../redis/script.ts';
import type { Coordination } from '../coordination.ts';

export const acquireLease = defineScript<{
  keys: [lease: string, epoch: string, boot: string];
  args: [token: string, limitMs: number, guard: Coordination['guard']];
  reply: ['acquired', epoch: string] | ['held' | 'recovering', remainingMs: number];
}>({ name: 'acquire-lease', file: new URL('./scripts/acquire-lease.lua', import.meta.url), numberOfKeys: 3 });

export const standForLease = defineScript<{
  keys: [lease: string, epoch: string, boot: string, line: string, seen: string];
  args: [
    token: string,
    limitMs: number,
    guard: Coordination['guard'],
    candidate: string,
    keptMs: number,
    wakeChannel: string,
  ];
  reply: ['acquired', epoch: string] | ['held' | 'recovering', remainingMs: number, rank: number];
}>({ name: 'stand-for-lease', file: new URL('./scripts/stand-for-lease.lua', import.meta.url), numberOfKeys: 5 });

export const leaveLine = defineScript<{
  keys: [lease: string, line: string, seen: string];
  args: [token: string, candidate: string, wakeChannel: string];
  reply: 0 | 1;
}>({ name: 'leave-line', file: new URL('./scripts/leave-line.lua', import.meta.url), numberOfKeys: 3 });

export const renewLease = defineScript<{
  keys: [lease: string];
  args: [token: string, limitMs: number];
  reply: 'renewed' | 'expired' | 'taken';
}>({ name: 'renew-lease', file: new URL('./scripts/renew-lease.lua', import.meta.url), numberOfKeys: 1 });

export const releaseLease = defineScript<{
  keys: [lease: string];
  args: [token: string, wakeChannel: string];
  reply: 0 | 1;
}>({ name: 'release-lease', file: new URL('./scripts/release-lease.lua', import.meta.url), numberOfKeys: 1 });
