import { defineScript } from '../../redis/script.ts';

export const putInbox = defineScript<{
  keys: [inbox: string, users: string, names: string, id: string];
  args: [
    text: string,
    maxLength: number,
    maxAgeMs: number,
    user: string,
    entryOfNames: string,
    hasId: 0 | 1,
    wake: string,
  ];
  reply: [id: string, isNew: 0 | 1];
}>({ name: 'put-inbox', file: new URL('./scripts/put-inbox.lua', import.meta.url), numberOfKeys: 4 });

export const takeInbox = defineScript<{
  keys: [inbox: string, taken: string];
  args: [maxAgeMs: number, after: string, limit: number, takenForMs: number];
  reply: [next: string, messages: [id: string, text: string][]];
}>({ name: 'take-inbox', file: new URL('./scripts/take-inbox.lua', import.meta.url), numberOfKeys: 2 });

export const settleInbox = defineScript<{
  keys: [inbox: string, taken: string, users: string, names: string];
  args: [user: string, entryOfNames: string, isDelivered: 0 | 1, ...ids: string[]];
  reply: number;
}>({ name: 'settle-inbox', file: new URL('./scripts/settle-inbox.lua', import.meta.url), numberOfKeys: 4 });
