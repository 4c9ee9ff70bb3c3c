import { defineScript } from '../../redis/script.ts';

/** A message of a stream as the scripts give it out. */
export type TakenMessage = [id: string, deliveries: number, text: string];

export const publishMessage = defineScript<{
  keys: [stream: string, names: string, id: string];
  args: [text: string, maxLength: number, entryOfNames: string, rememberMs: number];
  reply: [id: string, isNew: 0 | 1];
}>({ name: 'publish-message', file: new URL('./scripts/publish-message.lua', import.meta.url), numberOfKeys: 3 });

export const openGroup = defineScript<{
  keys: [stream: string, names: string];
  args: [group: string, after: '$' | '0', entryOfNames: string];
  reply: 0 | 1;
}>({ name: 'open-group', file: new URL('./scripts/open-group.lua', import.meta.url), numberOfKeys: 2 });

export const takeMessages = defineScript<{
  keys: [stream: string, dead: string, names: string];
  args: [
    group: string,
    consumer: string,
    visibilityMs: number,
    limit: number,
    maxDeliveries: number,
    cursor: string,
    readNew: 0 | 1,
    deadEntry: string,
    deadLength: number,
  ];
  reply: [cursor: string, taken: TakenMessage[], buried: string[]];
}>({ name: 'take-messages', file: new URL('./scripts/take-messages.lua', import.meta.url), numberOfKeys: 3 });

export const keepMessages = defineScript<{
  keys: [stream: string];
  args: [group: string, consumer: string, most: number, ...ids: string[]];
  reply: string[];
}>({ name: 'keep-messages', file: new URL('./scripts/keep-messages.lua', import.meta.url), numberOfKeys: 1 });

export const recoverMessages = defineScript<{
  keys: [stream: string];
  args: [group: string, consumer: string, most: number, ...known: string[]];
  reply: TakenMessage[];
}>({ name: 'recover-messages', file: new URL('./scripts/recover-messages.lua', import.meta.url), numberOfKeys: 1 });

export const failMessage = defineScript<{
  keys: [stream: string, dead: string, names: string];
  args: [
    group: string,
    consumer: string,
    id: string,
    maxDeliveries: number,
    idleMs: number,
    reason: string,
    deadEntry: string,
    deadLength: number,
  ];
  reply: 'waiting' | 'buried' | 'lost';
}>({ name: 'fail-message', file: new URL('./scripts/fail-message.lua', import.meta.url), numberOfKeys: 3 });

export const leaveGroup = defineScript<{
  keys: [stream: string];
  args: [group: string, consumer: string, most: number, idleMs: number, ...unbegun: string[]];
  reply: number;
}>({ name: 'leave-group', file: new URL('./scripts/leave-group.lua', import.meta.url), numberOfKeys: 1 });

export const removeIdleConsumers = defineScript<{
  keys: [stream: string];
  args: [group: string, silentMs: number];
  reply: number;
}>({
  name: 'remove-idle-consumers',
  file: new URL('./scripts/remove-idle-consumers.lua', import.meta.url),
  numberOfKeys: 1,
});
