/** Keys and channels of Redis for everything in this folder. Names hold no spaces, so a space separates where two meet. */
export interface ChannelKeys {
  /** Set of `kind name` of all streams and inboxes, so that they can be listed without walking the key space. */
  readonly names: string;
  /** Sorted set: participants by the time, in ms of the server's clock, until which each counts as alive. */
  readonly participants: string;
  /** Hash: presence name → connections in it. */
  readonly presences: string;
  topic(name: string): string;
  /** All topic channels; what follows it is the name. */
  readonly topicPrefix: string;
  stream(name: string): string;
  /** String with a time limit: the entry that the message with this id became. */
  streamId(name: string, id: string): string;
  /** Set of the presence names that a participant has connections in. */
  participantPresences(participantId: string): string;
  /** Hash: connection → JSON of member and meta, of one participant. */
  presenceAt(name: string, participantId: string): string;
  /** Hash: `participant connection` → JSON of identity and meta, of one member. */
  presenceMember(name: string, member: string): string;
  presenceEvents(name: string): string;
  /** Channel that one participant alone listens to. */
  direct(participantId: string): string;
  /** All direct channels; what follows it is the participant. */
  readonly directPrefix: string;
  inbox(name: string, user: string): string;
  /** Sorted set: messages of the inbox that somebody works on, by the time until which they are left to him. */
  inboxTaken(name: string, user: string): string;
  inboxId(name: string, user: string, id: string): string;
  inboxWake(name: string, user: string): string;
  /** Sorted set: users with messages, by the time at which the last of them is too old. */
  inboxUsers(name: string): string;
}

export function channelKeys(prefix: string): ChannelKeys {
  const root = `${prefix}:channel`;
  return {
    names: `${root}:names`,
    participants: `${root}:participants`,
    presences: `${root}:presences`,
    topicPrefix: `${root}:topic:`,
    topic: (name) => `${root}:topic:${name}`,
    stream: (name) => `${root}:stream:${name}`,
    streamId: (name, id) => `${root}:stream-id:${name} ${id}`,
    participantPresences: (participantId) => `${root}:participant:${participantId}`,
    presenceAt: (name, participantId) => `${root}:presence-at:${name} ${participantId}`,
    presenceMember: (name, member) => `${root}:presence-member:${name} ${member}`,
    presenceEvents: (name) => `${root}:presence-events:${name}`,
    directPrefix: `${root}:direct:`,
    direct: (participantId) => `${root}:direct:${participantId}`,
    inbox: (name, user) => `${root}:inbox:${name} ${user}`,
    inboxTaken: (name, user) => `${root}:inbox-taken:${name} ${user}`,
    inboxId: (name, user, id) => `${root}:inbox-id:${name} ${user} ${id}`,
    inboxWake: (name, user) => `${root}:inbox-wake:${name} ${user}`,
    inboxUsers: (name) => `${root}:inbox-users:${name}`,
  };
}
