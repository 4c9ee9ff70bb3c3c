import { randomUUID } from 'node:crypto';

import type { Logger } from '../../runtime/logger.ts';
import type { OpenCoordination } from '../open-coordination.ts';
import { channelKeys } from './channel-keys.ts';
import { assertName, checkMessage, encodeMessage, type MessageSchema } from './message-format.ts';
import type { MessageLink } from './message-link.ts';
import { storeAnswer } from './store-answer.ts';

export interface TopicOptions<T> {
  /** Checked where a message is published and where it arrives. */
  readonly schema?: MessageSchema<T>;
}

export interface TopicMeta {
  /** One for each topic object that publishes. */
  readonly publisher: string;
  /** Counts the messages of this publisher, from 1. */
  readonly sequence: number;
}

/** Messages may have been missed: read the state again that they speak of. */
export interface Gap {
  /** `reconnected`: the connection was away; `sequence`: a number was left out; `overflow`: the handler was too slow. */
  readonly reason: 'reconnected' | 'sequence' | 'overflow';
  /** The gap began at most so long ago. */
  readonly sinceMs: number;
  /** How many, where that is known. */
  readonly missed: number | null;
}

export interface SubscribeOptions {
  readonly onGap?: (gap: Gap) => void;
}

export interface Subscription {
  /** Resolves once Redis has confirmed it: what is published from then on arrives. Stays pending while Redis is away. */
  readonly ready: Promise<void>;
  /** No handler is called afterwards, except that one in progress goes on. */
  close(): void;
}

export interface Topic<T> {
  /**
   * Sends to whoever is subscribed now. At most once: nothing is kept, and nothing is sent again.
   * @returns how many participants it was sent to
   * @throws DroverError ARGUMENT_INVALID; STORE_UNREACHABLE, after which subscribers are told of a gap where they miss it
   */
  publish(message: T): Promise<number>;
  /**
   * Calls `handler` for each message, one after the other, in the order of each publisher. A handler that throws or a
   * message that the schema refuses is logged, and the next one comes.
   */
  subscribe(handler: (message: T, meta: TopicMeta) => unknown, options?: SubscribeOptions): Subscription;
}

/** Waiting for a slow handler; beyond it messages are dropped, and a gap is told. */
const maxWaiting = 10_000;
/** Publishers that a subscriber remembers the last number of; a topic with more forgets the one that it heard first. */
const maxPublishers = 10_000;

interface Envelope {
  readonly p: string;
  readonly n: number;
  readonly m: unknown;
}

export function createTopic<T>(
  coordination: OpenCoordination,
  link: MessageLink,
  name: string,
  options: TopicOptions<T> = {},
): Topic<T> {
  assertName('name', name);
  const { redis, logger } = coordination;
  const channel = channelKeys(coordination.prefix).topic(name);
  const publisher = randomUUID();
  let published = 0;
  return {
    async publish(message) {
      const text = encodeMessage(message, options.schema);
      published += 1;
      const envelope = `{"p":"${publisher}","n":${published},"m":${text}}`;
      return await storeAnswer(`Publishing to topic ${name}`, redis.publish(channel, envelope));
    },
    subscribe(handler, { onGap } = {}) {
      const reader = createReader(
        { name, handler, onGap, logger, now: () => coordination.clock.monotonicMs() },
        options,
      );
      const listening = link.listen(channel, reader);
      return {
        ready: listening.ready,
        close() {
          listening.close();
          reader.close();
        },
      };
    },
  };
}

interface ReaderOptions<T> {
  readonly name: string;
  readonly handler: (message: T, meta: TopicMeta) => unknown;
  readonly onGap: ((gap: Gap) => void) | undefined;
  readonly logger: Logger;
  readonly now: () => number;
}

function createReader<T>({ name, handler, onGap, logger, now }: ReaderOptions<T>, { schema }: TopicOptions<T>) {
  const lastOf = new Map<string, number>();
  const waiting: Envelope[] = [];
  let isHandling = false;
  let isClosed = false;
  let isOverflowing = false;
  let lastHeardMs = now();

  function tellGap(gap: Gap): void {
    if (isClosed) return;
    try {
      onGap?.(gap);
    } catch (error) {
      logger.error('A gap listener failed', { topic: name, error });
    }
  }

  /** The first message of a publisher is the baseline: what came before it was before us. */
  function checkSequence({ p, n }: Envelope): void {
    const last = lastOf.get(p);
    if (last === undefined && lastOf.size >= maxPublishers) lastOf.delete(lastOf.keys().next().value!);
    lastOf.set(p, n);
    if (last === undefined || n <= last + 1) return;
    tellGap({ reason: 'sequence', sinceMs: Math.round(now() - lastHeardMs), missed: n - last - 1 });
  }

  async function handleWaiting(): Promise<void> {
    if (isHandling) return;
    isHandling = true;
    for (let next = waiting.shift(); next !== undefined && !isClosed; next = waiting.shift()) {
      try {
        const message = checkMessage(next.m, schema);
        await handler(message, { publisher: next.p, sequence: next.n });
      } catch (error) {
        logger.warn('A message of a topic was not taken', { topic: name, error });
      }
      if (waiting.length === 0) isOverflowing = false;
    }
    isHandling = false;
  }

  return {
    message(text: string): void {
      if (isClosed) return;
      const envelope = readEnvelope(text);
      if (envelope === null) {
        logger.warn('A message of a topic is of an unknown form', { topic: name });
        return;
      }
      checkSequence(envelope);
      lastHeardMs = now();
      if (waiting.length < maxWaiting) {
        waiting.push(envelope);
        void handleWaiting();
      } else if (!isOverflowing) {
        isOverflowing = true;
        tellGap({ reason: 'overflow', sinceMs: 0, missed: null });
      }
    },
    /** Told once for each time away: the numbers of what was missed are not told again. */
    gap(sinceMs: number): void {
      lastOf.clear();
      lastHeardMs = now();
      tellGap({ reason: 'reconnected', sinceMs, missed: null });
    },
    close(): void {
      isClosed = true;
      waiting.length = 0;
    },
  };
}

function readEnvelope(text: string): Envelope | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return null;
    const { p, n, m } = value as Partial<Envelope>;
    return typeof p === 'string' && typeof n === 'number' ? { p, n, m } : null;
  } catch {
    return null;
  }
}
