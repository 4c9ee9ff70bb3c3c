import { createLoop } from '../../runtime/loop.ts';
import type { OpenCoordination } from '../open-coordination.ts';
import { channelKeys } from './channel-keys.ts';
import { putInbox, settleInbox, takeInbox } from './inbox-scripts.ts';
import { assertName, assertWithin, decodeMessage, encodeMessage, type MessageSchema } from './message-format.ts';
import type { MessageLink } from './message-link.ts';
import { storeAnswer } from './store-answer.ts';

export interface InboxOptions<T> {
  readonly schema?: MessageSchema<T>;
  /** Messages kept for each user, the newest; default 1000. */
  readonly maxLength?: number;
  /** Default 7 days. */
  readonly maxAgeMs?: number;
}

/** An `id` is the same each time the message is delivered. */
export type InboxHandler<T> = (message: T, meta: { readonly id: string }) => unknown;

/** Messages for users who are not connected, kept until they are. */
export interface Inbox<T> {
  /**
   * Keeps a message for a user; with an `id` once, however often it is put.
   * @throws DroverError ARGUMENT_INVALID; STORE_UNREACHABLE, after which it may be kept all the same
   */
  put(user: string, message: T, options?: { readonly id?: string }): Promise<void>;
  /**
   * Gives the user's messages to `handler`, in order, each at least once; one is gone when its handler has ended well.
   * Several at a time share them. A handler that throws ends it: the error is rethrown, its message and the rest stay.
   * @returns how many were delivered
   * @throws DroverError STORE_UNREACHABLE
   */
  deliver(user: string, handler: InboxHandler<T>): Promise<number>;
  /** Delivers what is there, then what comes, until closed; failures are logged and tried again. Never throws. */
  follow(user: string, handler: InboxHandler<T>): { close(): Promise<void> };
}

const defaultMaxLength = 1000;
const defaultMaxAgeMs = 7 * 24 * 3_600_000;
const maxMaxAgeMs = 366 * 24 * 3_600_000;
/** So long a message is left to one who delivers it; if he died, the next gets it then. */
const takenForMs = 30_000;
/** Few, because a handler has `takenForMs` for all of them. */
const takenAtATime = 10;
/** Also finds what was taken by somebody who died. */
const followIntervalMs = 15_000;

export function createInbox<T>(
  coordination: OpenCoordination,
  link: MessageLink,
  name: string,
  options: InboxOptions<T> = {},
): Inbox<T> {
  const { schema, maxLength = defaultMaxLength, maxAgeMs = defaultMaxAgeMs } = options;
  assertName('name', name);
  assertWithin('maxLength', maxLength, 1, 100_000);
  assertWithin('maxAgeMs', maxAgeMs, 1000, maxMaxAgeMs);
  const { redis, clock, logger } = coordination;
  const keys = channelKeys(coordination.prefix);

  async function settle(user: string, isDelivered: 0 | 1, ids: readonly string[]): Promise<void> {
    const settling = settleInbox.run(
      redis,
      [keys.inbox(name, user), keys.inboxTaken(name, user), keys.inboxUsers(name), keys.names],
      [user, `inbox ${name}`, isDelivered, ...ids],
    );
    await storeAnswer(`Settling inbox ${name}`, settling);
  }

  async function handle(user: string, [id, text]: [string, string], handler: InboxHandler<T>): Promise<0 | 1> {
    let message: T;
    try {
      message = decodeMessage(text, schema);
    } catch (error) {
      logger.error('A message of an inbox is not as its schema demands, and is dropped', { inbox: name, id, error });
      await settle(user, 1, [id]);
      return 0;
    }
    await handler(message, { id });
    await settle(user, 1, [id]);
    return 1;
  }

  async function deliver(user: string, handler: InboxHandler<T>, signal?: AbortSignal): Promise<number> {
    assertName('user', user);
    let delivered = 0;
    for (let after = '-'; after !== ''; ) {
      const startedMs = clock.monotonicMs();
      const taking = takeInbox.run(
        redis,
        [keys.inbox(name, user), keys.inboxTaken(name, user)],
        [maxAgeMs, after, takenAtATime, takenForMs],
      );
      const [next, messages] = await storeAnswer(`Taking from inbox ${name}`, taking);
      for (let index = 0; index < messages.length; index++) {
        // The rest may be another's by now: stop, it is taken again from the start.
        const isOver = clock.monotonicMs() - startedMs > takenForMs * 0.9;
        try {
          if (isOver || signal?.aborted) {
            await settle(
              user,
              0,
              messages.slice(index).map(([id]) => id),
            );
            return delivered;
          }
          delivered += await handle(user, messages[index]!, handler);
        } catch (error) {
          // The error of the handler is what matters; what is not given back is free when its time is over.
          await settle(
            user,
            0,
            messages.slice(index).map(([id]) => id),
          ).catch(() => {});
          throw error;
        }
      }
      after = next;
    }
    return delivered;
  }

  return {
    async put(user, message, { id } = {}) {
      assertName('user', user);
      if (id !== undefined) assertName('id', id);
      const key = keys.inbox(name, user);
      const putting = putInbox.run(
        redis,
        [key, keys.inboxUsers(name), keys.names, id === undefined ? key : keys.inboxId(name, user, id)],
        [
          ...([encodeMessage(message, schema), maxLength, maxAgeMs, user, `inbox ${name}`] as const),
          ...([id === undefined ? 0 : 1, keys.inboxWake(name, user)] as const),
        ],
      );
      await storeAnswer(`Putting into inbox ${name}`, putting);
    },
    deliver: (user, handler) => deliver(user, handler),
    follow(user, handler) {
      assertName('user', user);
      const loop = createLoop(async (signal) => void (await deliver(user, handler, signal)), {
        intervalMs: followIntervalMs,
        clock,
        onError: (error) => logger.warn('An inbox was not delivered', { inbox: name, error }),
      });
      const wake = () => loop.wake();
      const listening = link.listen(keys.inboxWake(name, user), { message: wake, gap: wake });
      // What was put between the first look and the subscription.
      void listening.ready.then(wake);
      const close = async () => {
        coordination.signal.removeEventListener('abort', onLeave);
        listening.close();
        await loop.close();
      };
      const onLeave = () => void close();
      coordination.signal.addEventListener('abort', onLeave, { once: true });
      return { close };
    },
  };
}
