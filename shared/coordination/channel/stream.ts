import type { OpenCoordination } from '../open-coordination.ts';
import { channelKeys } from './channel-keys.ts';
import { type ConsumeOptions, type Consumer, type MessageHandler, startConsumer } from './consumer.ts';
import { assertName, assertWithin, decodeMessage, encodeMessage, type MessageSchema } from './message-format.ts';
import { storeAnswer } from './store-answer.ts';
import { openGroup, publishMessage, takeMessages } from './stream-scripts.ts';

export interface StreamOptions<T> {
  /** Messages kept, about; default 10,000. A group that is further behind loses the oldest. */
  readonly maxLength?: number;
  /** Checked where a message is published and where it is handled; a consumer buries what it refuses. */
  readonly schema?: MessageSchema<T>;
  /** How long the id of a message is remembered; default one hour. */
  readonly rememberIdsMs?: number;
}

export interface Published {
  /** The entry of the stream. */
  readonly id: string;
  /** False when a message with the same id came before: nothing was added. */
  readonly isNew: boolean;
}

export interface TakeOptions {
  readonly group: string;
  /** Who takes; of one who died the messages are taken over after `visibilityMs`. */
  readonly consumer: string;
  /** Default 10. */
  readonly limit?: number;
  /** Default 30,000. */
  readonly visibilityMs?: number;
  /** Wait so long when there is nothing; default 0. */
  readonly waitMs?: number;
  readonly maxDeliveries?: number;
  readonly signal?: AbortSignal;
}

export interface StreamMessage<T> {
  readonly id: string;
  /** How often it was given out, this time included. */
  readonly deliveries: number;
  readonly message: T;
}

export interface Stream<T> {
  /**
   * Appends a message. With an `id` it may be published again after a lost answer: it is kept once.
   * @throws DroverError ARGUMENT_INVALID; STORE_UNREACHABLE, after which it may be in the stream all the same
   */
  publish(message: T, options?: { readonly id?: string }): Promise<Published>;
  /**
   * Handles the messages of a group, each at least once, shared among all its consumers. The group exists from here on,
   * also while nobody consumes. Nothing throws while Redis is away: it goes on where it was.
   */
  consume(group: string, handler: MessageHandler<T>, options?: ConsumeOptions): Consumer;
  /** Takes messages without a consumer of ours, for those who acknowledge by themselves. @throws as `publish` */
  take(options: TakeOptions): Promise<StreamMessage<T>[]>;
  /** They were processed. @returns how many were still pending. @throws DroverError STORE_UNREACHABLE */
  acknowledge(group: string, ids: readonly string[]): Promise<number>;
}

const defaultMaxLength = 10_000;
const maxMaxLength = 10_000_000;
/** Whoever publishes again after a lost answer does so within minutes. */
const defaultRememberIdsMs = 3_600_000;
const maxRememberIdsMs = 7 * 24 * 3_600_000;
export const defaultVisibilityMs = 30_000;
export const defaultMaxDeliveries = 10;
const maxTaken = 100;
const maxWaitMs = 30_000;
/** Of those who wait without a connection of their own; they are few. */
const takePollMs = 250;

/** `consumers` is where those that run are kept, for whoever closes them all. */
export function createStream<T>(
  coordination: OpenCoordination,
  consumers: Set<Consumer>,
  name: string,
  options: StreamOptions<T> = {},
): Stream<T> {
  const { maxLength = defaultMaxLength, rememberIdsMs = defaultRememberIdsMs, schema } = options;
  assertName('name', name);
  assertWithin('maxLength', maxLength, 1, maxMaxLength);
  assertWithin('rememberIdsMs', rememberIdsMs, 1000, maxRememberIdsMs);
  const { redis, clock } = coordination;
  const keys = channelKeys(coordination.prefix);
  const key = keys.stream(name);

  async function takeOnce(taking: Required<Omit<TakeOptions, 'signal' | 'waitMs'>>) {
    const { group, consumer, visibilityMs, limit, maxDeliveries } = taking;
    const run = () =>
      takeMessages.run(
        redis,
        [key, keys.stream(`${name}:dead`), keys.names],
        [group, consumer, visibilityMs, limit, maxDeliveries, '0-0', 1, `stream ${name}:dead`, defaultMaxLength],
      );
    try {
      return await run();
    } catch (error) {
      if (!String(error).includes('NOGROUP')) throw error;
      await openGroup.run(redis, [key, keys.names], [group, '$', `stream ${name}`]);
      return await run();
    }
  }

  return {
    async publish(message, { id } = {}) {
      if (id !== undefined) assertName('id', id);
      const text = encodeMessage(message, schema);
      const running = publishMessage.run(
        redis,
        [key, keys.names, id === undefined ? key : keys.streamId(name, id)],
        [text, maxLength, `stream ${name}`, id === undefined ? 0 : rememberIdsMs],
      );
      const [entry, isNew] = await storeAnswer(`Publishing to stream ${name}`, running);
      return { id: entry, isNew: isNew === 1 };
    },
    consume(group, handler, consumeOptions = {}) {
      const consumer = startConsumer({ coordination, name, group, handler, schema, ...consumeOptions });
      consumers.add(consumer);
      return {
        name: consumer.name,
        ready: consumer.ready,
        async close() {
          await consumer.close();
          consumers.delete(consumer);
        },
      };
    },
    async take({ group, consumer, limit = 10, visibilityMs = defaultVisibilityMs, waitMs = 0, ...rest }) {
      const { maxDeliveries = defaultMaxDeliveries, signal } = rest;
      assertName('group', group);
      assertName('consumer', consumer);
      assertWithin('limit', limit, 1, maxTaken);
      assertWithin('visibilityMs', visibilityMs, 1000, 3_600_000);
      assertWithin('waitMs', waitMs, 0, maxWaitMs);
      const giveUpAtMs = clock.monotonicMs() + waitMs;
      for (;;) {
        const running = takeOnce({ group, consumer, limit, visibilityMs, maxDeliveries });
        const [, taken] = await storeAnswer(`Taking from stream ${name}`, running);
        const restMs = giveUpAtMs - clock.monotonicMs();
        if (taken.length > 0 || restMs <= 0 || signal?.aborted || coordination.signal.aborted) {
          return taken.map(([id, deliveries, text]) => ({ id, deliveries, message: decodeMessage<T>(text) }));
        }
        await clock.sleep(Math.min(takePollMs, restMs), signal);
      }
    },
    async acknowledge(group, ids) {
      assertName('group', group);
      if (ids.length === 0) return 0;
      return await storeAnswer(`Acknowledging in stream ${name}`, redis.xack(key, group, ...ids));
    },
  };
}
