import { defineScript } from '../../redis/script.ts';

export const beginCallback = defineScript<{
  keys: [record: string, index: string, boot: string];
  args: [
    token: string,
    hash: string,
    processingMs: number,
    retentionMs: number,
    key: string,
    identity: string,
    mayTakeOver: 0 | 1,
    graceMs: number,
    guard: 'data' | 'failover',
  ];
  reply:
    | ['run', epoch: string, attempt: number, takenOver: 0 | 1]
    | ['done', answer: string]
    | ['busy' | 'recovering', remainingMs: number]
    | ['mismatch' | 'unreconciled'];
}>({ name: 'begin-callback', file: new URL('./scripts/begin-callback.lua', import.meta.url), numberOfKeys: 3 });

export const extendCallback = defineScript<{
  keys: [record: string];
  args: [token: string, processingMs: number];
  reply: 'renewed' | 'expired' | 'taken';
}>({ name: 'extend-callback', file: new URL('./scripts/extend-callback.lua', import.meta.url), numberOfKeys: 1 });

export const completeCallback = defineScript<{
  keys: [record: string, index: string];
  args: [
    token: string,
    hash: string,
    answer: string,
    retentionMs: number,
    wakeChannel: string,
    key: string,
    identity: string,
    isFromDatabase: 0 | 1,
  ];
  reply: ['completed' | 'superseded'] | ['done', answer: string];
}>({ name: 'complete-callback', file: new URL('./scripts/complete-callback.lua', import.meta.url), numberOfKeys: 2 });

export const failCallback = defineScript<{
  keys: [record: string];
  args: [token: string, wakeChannel: string, how: 'failed' | 'unreconciled'];
  reply: 0 | 1;
}>({ name: 'fail-callback', file: new URL('./scripts/fail-callback.lua', import.meta.url), numberOfKeys: 1 });
