import type { OpenCoordination } from '../open-coordination.ts';
import type { Consumer } from './consumer.ts';
import { createDirect, createDirectLine, type Direct, type DirectOptions } from './direct.ts';
import { createInbox, type Inbox, type InboxOptions } from './inbox.ts';
import { type ChannelView, type ListChannelsOptions, listChannels } from './list-channels.ts';
import { createMessageLink } from './message-link.ts';
import { createParticipation } from './participation.ts';
import { createPresence, type Presence } from './presence.ts';
import { createStream, type Stream, type StreamOptions } from './stream.ts';
import { createTopic, type Topic, type TopicOptions } from './topic.ts';

export interface Channels {
  /** To whoever listens now, at most once. @throws DroverError ARGUMENT_INVALID, as all of these */
  topic<T>(name: string, options?: TopicOptions<T>): Topic<T>;
  /** To each group, at least once. */
  stream<T>(name: string, options?: StreamOptions<T>): Stream<T>;
  presence(name: string): Presence;
  /** To a member wherever it is connected, at most once. */
  direct<T>(name: string, options?: DirectOptions<T>): Direct<T>;
  /** For a user who is not connected, at least once. */
  inbox<T>(name: string, options?: InboxOptions<T>): Inbox<T>;
  list(options?: ListChannelsOptions): Promise<ChannelView[]>;
  /** Ends consumers and waits for their handlers within their bound, leaves all presences, ends all subscriptions. Never throws. */
  close(): Promise<void>;
}

/**
 * Channels of one participant. Connections beyond the participant's own are opened with the first that needs one: one for
 * all subscriptions, and one for each consumer of a stream.
 */
export function createChannels(coordination: OpenCoordination): Channels {
  const link = createMessageLink(coordination);
  const participation = createParticipation(coordination);
  const line = createDirectLine(coordination, link);
  const consumers = new Set<Consumer>();
  let closed: Promise<void> | undefined;

  async function close(): Promise<void> {
    coordination.signal.removeEventListener('abort', onLeave);
    await Promise.all([...consumers].map((consumer) => consumer.close()));
    await participation.close();
    await link.close();
  }
  const closeOnce = () => {
    closed ??= close();
    return closed;
  };
  const onLeave = () => void closeOnce();
  coordination.signal.addEventListener('abort', onLeave, { once: true });

  return {
    topic: (name, options) => createTopic(coordination, link, name, options),
    stream: (name, options) => createStream(coordination, consumers, name, options),
    presence: (name) => createPresence(coordination, link, participation, name),
    direct: (name, options) => createDirect(coordination, line, participation, { name, ...options }),
    inbox: (name, options) => createInbox(coordination, link, name, options),
    list: (options) => listChannels(coordination, options),
    close: closeOnce,
  };
}
