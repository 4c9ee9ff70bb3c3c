import { defineScript } from '../../redis/script.ts';

export const joinPresence = defineScript<{
  keys: [participants: string, presences: string, ofParticipant: string, at: string, member: string];
  args: [
    participantId: string,
    ttlMs: number,
    presence: string,
    connection: string,
    member: string,
    meta: string,
    identity: string,
    takesMessages: 0 | 1,
    events: string,
  ];
  reply: 0 | 1;
}>({ name: 'join-presence', file: new URL('./scripts/join-presence.lua', import.meta.url), numberOfKeys: 5 });

export const leavePresence = defineScript<{
  keys: [presences: string, ofParticipant: string, at: string, member: string];
  args: [
    participantId: string,
    presence: string,
    connection: string,
    member: string,
    identity: string,
    events: string,
    reason: 'left' | 'expired',
  ];
  reply: 0 | 1;
}>({ name: 'leave-presence', file: new URL('./scripts/leave-presence.lua', import.meta.url), numberOfKeys: 4 });

export const beatParticipant = defineScript<{
  keys: [participants: string];
  args: [participantId: string, ttlMs: number, most: number];
  reply: [own: 'alive' | 'unknown', ...over: string[]];
}>({ name: 'beat-participant', file: new URL('./scripts/beat-participant.lua', import.meta.url), numberOfKeys: 1 });

export const forgetParticipant = defineScript<{
  keys: [participants: string, ofParticipant: string];
  args: [participantId: string];
  reply: 0 | 1;
}>({ name: 'forget-participant', file: new URL('./scripts/forget-participant.lua', import.meta.url), numberOfKeys: 2 });

export const aliveParticipants = defineScript<{ keys: [participants: string]; args: []; reply: string[] }>({
  name: 'alive-participants',
  file: new URL('./scripts/alive-participants.lua', import.meta.url),
  numberOfKeys: 1,
});

export const locateMember = defineScript<{
  keys: [member: string, participants: string];
  args: [message: string, directPrefix: string];
  reply: [participantId: string, connection: string, value: string, isReached: 0 | 1][];
}>({ name: 'locate-member', file: new URL('./scripts/locate-member.lua', import.meta.url), numberOfKeys: 2 });
