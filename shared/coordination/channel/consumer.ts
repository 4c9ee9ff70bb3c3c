import { randomUUID } from 'node:crypto';

import { DroverError } from '../../contracts/drover-error.ts';
import { backoffMs } from '../../runtime/backoff.ts';
import { createLoop } from '../../runtime/loop.ts';
import { answerWithin } from '../lease/hold.ts';
import type { OpenCoordination } from '../open-coordination.ts';
import { createGroupMembership } from './group-membership.ts';
import { assertName, assertWithin, decodeMessage, type MessageSchema } from './message-format.ts';
import type { TakenMessage } from './stream-scripts.ts';

export interface DeliveryMeta {
  readonly id: string;
  /** How often it was given out, this time included: above 1 an earlier handler may have had an effect. */
  readonly deliveries: number;
  /** Aborts when another consumer may have the message, or `close()` waits no longer. Stop, and have no more effects. */
  readonly signal: AbortSignal;
}

export type MessageHandler<T> = (message: T, meta: DeliveryMeta) => unknown;

export interface ConsumeOptions {
  /** Read ahead at a time; default 10. */
  readonly batch?: number;
  /** A message of a consumer that gives no sign of life for so long is given to another; default 30,000. A handler may take longer. */
  readonly visibilityMs?: number;
  /** After so many deliveries without success a message is put aside; default 10. */
  readonly maxDeliveries?: number;
  /** Stream for what is put aside, default `<name>:dead`; null drops it. */
  readonly deadLetter?: string | null;
  /** Where a group begins that did not exist; default `new`. */
  readonly startAt?: 'new' | 'beginning';
  /** Handlers at a time; default 1: messages are handled in order, except those that failed. */
  readonly concurrency?: number;
  /** `close()` waits so long for handlers; default 10,000. */
  readonly closeTimeoutMs?: number;
}

export interface Consumer {
  /** Its name in the group. */
  readonly name: string;
  /** Resolves once the group exists; stays pending while Redis is away. Never rejects. */
  readonly ready: Promise<void>;
  /** Reads no more, waits for handlers, and leaves the group; what was not begun is free for others at once. Never throws. */
  close(): Promise<void>;
}

export interface StartConsumerOptions<T> extends ConsumeOptions {
  readonly coordination: OpenCoordination;
  readonly name: string;
  readonly group: string;
  readonly handler: MessageHandler<T>;
  readonly schema: MessageSchema<T> | undefined;
}

interface Delivery {
  readonly message: TakenMessage;
  /** Monotonic: the message is surely ours until then. */
  oursUntilMs: number;
  readonly stopping: AbortController;
}

/** Below the time after which the client gives a command up. */
const maxBlockMs = 2000;
/** Another's death is seen so much later than its time is over; also how often failed messages are looked for. */
const maxClaimIntervalMs = 1000;
const removeSilentEveryMs = 60_000;
/** Acknowledgements that Redis has not taken; with more nothing new is begun. */
const maxUnacknowledged = 1000;
const retryBaseMs = 200;
/** After a failure of Redis; short, so that it is at work again soon after it is back. */
const storeRetryMs = 100;
const leaveTimeoutMs = 1000;

/** @throws DroverError ARGUMENT_INVALID */
export function startConsumer<T>(options: StartConsumerOptions<T>): Consumer {
  const { coordination, name, group, handler, schema, batch = 10, visibilityMs = 30_000, maxDeliveries = 10 } = options;
  const { deadLetter = `${name}:dead`, startAt = 'new', concurrency = 1, closeTimeoutMs = 10_000 } = options;
  assertName('group', group);
  assertWithin('batch', batch, 1, 1000);
  assertWithin('visibilityMs', visibilityMs, 500, 3_600_000);
  assertWithin('maxDeliveries', maxDeliveries, 1, 1000);
  assertWithin('concurrency', concurrency, 1, 1000);
  assertWithin('closeTimeoutMs', closeTimeoutMs, 0, 3_600_000);
  if (deadLetter !== null) assertName('deadLetter', deadLetter);
  const { clock, logger, redis, prefix, identity } = coordination;
  const consumer = `${identity}#${randomUUID().slice(0, 8)}`;
  const told = { stream: name, group, consumer };
  const membership = createGroupMembership({
    ...{ redis, prefix, stream: name, group, consumer },
    ...{ visibilityMs, maxDeliveries, deadLetter },
  });
  const reading = coordination.connection('coord');
  const closing = new AbortController();
  const opened = Promise.withResolvers<void>();
  const buffer: Delivery[] = [];
  const running = new Map<string, Delivery>();
  const done = new Set<string>();
  /** Failed, and left to be taken over when their time has come; the answer to a read may not bring them back earlier. */
  const failed = new Map<string, number>();
  let room = Promise.withResolvers<void>();
  let wasOpen = false;
  let lookUntilMs = 0;
  let lastKeptMs = clock.monotonicMs();
  let lastRemovedMs = lastKeptMs;
  let mayHaveMore = false;

  /** A tenth is for the way there and back. */
  const oursFor = (fromMs: number) => fromMs + visibilityMs * 0.9;
  const freeSlots = () => (done.size < maxUnacknowledged ? concurrency - running.size - buffer.length : 0);

  function accept(taken: readonly TakenMessage[], sentAtMs: number): void {
    for (const message of taken) {
      const id = message[0];
      failed.delete(id);
      if (done.has(id) || running.has(id) || buffer.some((delivery) => delivery.message[0] === id)) continue;
      buffer.push({ message, oursUntilMs: oursFor(sentAtMs), stopping: new AbortController() });
    }
    begin();
  }

  function begin(): void {
    while (!closing.signal.aborted && running.size < concurrency && done.size < maxUnacknowledged) {
      const next = buffer.shift();
      if (next === undefined) break;
      // After a pause of the process it may be another's by now; if it is not, looking for it finds it again.
      if (clock.monotonicMs() >= next.oursUntilMs) lookAgainFor(1);
      else void work(next);
    }
    if (freeSlots() > 0) room.resolve();
  }

  async function work(delivery: Delivery): Promise<void> {
    const [id, deliveries, text] = delivery.message;
    running.set(id, delivery);
    try {
      await attempt(delivery);
      if (!delivery.stopping.signal.aborted) done.add(id);
    } catch (error) {
      const isRefused = error instanceof RefusedMessage;
      const retryMs = isRefused
        ? null
        : Math.min(visibilityMs, 50 + backoffMs(deliveries, { baseMs: retryBaseMs, maxMs: visibilityMs }, Math.random));
      const reason = isRefused
        ? error.message
        : error instanceof Error
          ? (error.stack ?? error.message)
          : String(error);
      logger.warn('A message was not handled', { ...told, id, deliveries, bytes: text.length, error });
      await noteFailure(delivery, retryMs, reason);
    }
    running.delete(id);
    if (mayHaveMore || done.size > 0) tending.wake();
    begin();
  }

  async function attempt({ message: [id, deliveries, text], stopping }: Delivery): Promise<void> {
    let message: T;
    try {
      message = decodeMessage(text, schema);
    } catch (error) {
      throw new RefusedMessage((error as Error).message);
    }
    await handler(message, { id, deliveries, signal: stopping.signal });
  }

  async function noteFailure({ message: [id], stopping }: Delivery, retryMs: number | null, reason: string) {
    if (stopping.signal.aborted) return;
    failed.set(id, clock.monotonicMs());
    try {
      const outcome = await membership.fail(id, { retryMs, reason });
      if (outcome === 'waiting') return;
      failed.delete(id);
      if (outcome === 'buried') logger.error('A message was put aside', { ...told, id, deadLetter });
    } catch (error) {
      // Left alone it is taken over when its time is over.
      logger.debug('A failure could not be noted', { ...told, id, error });
    }
  }

  async function read(): Promise<void> {
    while (!closing.signal.aborted) {
      if (freeSlots() <= 0) {
        room = Promise.withResolvers();
        await room.promise;
        continue;
      }
      try {
        await reading.ready(closing.signal);
        if (!wasOpen) await openOwnGroup();
        if (clock.monotonicMs() < lookUntilMs) await lookForUnanswered();
        const sentAtMs = clock.monotonicMs();
        const blockMs = Math.min(maxBlockMs, Math.floor(visibilityMs / 4));
        const taken = await membership.read(reading.client, Math.max(batch, freeSlots()), blockMs);
        accept(taken, sentAtMs);
      } catch (error) {
        if (closing.signal.aborted) return;
        lookAgainFor(2 * maxBlockMs);
        if (isTimeout(error)) reading.client.disconnect(true);
        if (String(error).includes('NOGROUP')) await reopenLostGroup();
        else {
          logger.debug('A stream could not be read', { ...told, error });
          await clock.sleep(storeRetryMs, closing.signal);
        }
      }
    }
  }

  async function openOwnGroup(): Promise<void> {
    await membership.open(startAt === 'new' ? '$' : '0');
    wasOpen = true;
    opened.resolve();
  }

  /** The data was lost, or the stream was deleted: all that is in it now came afterwards. */
  async function reopenLostGroup(): Promise<void> {
    try {
      await membership.open('0');
      logger.warn('A group was lost with its stream, and begins anew', told);
    } catch {
      await clock.sleep(storeRetryMs, closing.signal);
    }
  }

  /** An answer that was lost may have held messages: nobody else gets them before their time is over, so look at once. */
  async function lookForUnanswered(): Promise<void> {
    const sentAtMs = clock.monotonicMs();
    const known = [...running.keys(), ...buffer.map(({ message }) => message[0]), ...done, ...failed.keys()];
    accept(await membership.recover(known), sentAtMs);
  }

  /** The server may still give messages to a connection that is dead here, for as long as a read waits. */
  function lookAgainFor(ms: number): void {
    lookUntilMs = Math.max(lookUntilMs, clock.monotonicMs() + ms);
  }

  async function tend(): Promise<void> {
    if (!wasOpen) return;
    if (done.size > 0) {
      const ids = [...done];
      await membership.acknowledge(ids);
      for (const id of ids) done.delete(id);
      begin();
    }
    stopWhatIsOver();
    const nowMs = clock.monotonicMs();
    if (nowMs - lastKeptMs >= visibilityMs / 3 - 50) await keep(nowMs);
    const limit = freeSlots();
    mayHaveMore = false;
    // One at a time where it can be: a message that kills its process then takes no others with it.
    if (limit > 0 && !closing.signal.aborted) {
      const sentAtMs = clock.monotonicMs();
      const { taken, buried } = await membership.claim(limit);
      for (const id of buried) logger.error('A message was put aside', { ...told, id, deadLetter });
      mayHaveMore = taken.length > 0;
      accept(taken, sentAtMs);
    }
    if (nowMs - lastRemovedMs >= removeSilentEveryMs) {
      lastRemovedMs = nowMs;
      for (const [id, atMs] of failed) if (nowMs - atMs > 2 * visibilityMs) failed.delete(id);
      await membership.removeSilentConsumers();
    }
  }

  async function keep(sentAtMs: number): Promise<void> {
    const inHand = [...running.values(), ...buffer];
    if (inHand.length > 0) {
      const kept = await membership.keep(inHand.map(({ message }) => message[0]));
      for (const delivery of inHand) {
        if (kept.has(delivery.message[0])) delivery.oursUntilMs = oursFor(sentAtMs);
        else if (running.has(delivery.message[0])) stop(delivery, 'another consumer has it');
        else delivery.oursUntilMs = 0;
      }
    }
    // Only what is answered counts: otherwise the next turn tries again.
    lastKeptMs = sentAtMs;
  }

  function stopWhatIsOver(): void {
    const nowMs = clock.monotonicMs();
    for (const delivery of running.values()) {
      if (nowMs >= delivery.oursUntilMs) stop(delivery, 'its time is over');
    }
  }

  function stop({ message: [id], stopping }: Delivery, reason: string): void {
    if (stopping.signal.aborted || done.has(id)) return;
    const text = `Message ${id} of stream ${name} may be handled by another consumer: ${reason}. Stop, it is delivered again.`;
    stopping.abort(new DroverError('LEASE_LOST', text, { details: { ...told, id } }));
  }

  const tending = createLoop(
    async () => {
      try {
        await tend();
      } catch (error) {
        stopWhatIsOver();
        throw error;
      }
    },
    {
      intervalMs: Math.min(maxClaimIntervalMs, Math.floor(visibilityMs / 4)),
      clock,
      onError(error) {
        logger.debug('A group could not be tended', { ...told, error });
      },
    },
  );
  const finished = read();

  async function close(): Promise<void> {
    closing.abort();
    room.resolve();
    coordination.signal.removeEventListener('abort', onParticipantLeaves);
    const unbegun = buffer.splice(0).map(({ message }) => message[0]);
    await reading.close();
    await finished;
    const giveUpAtMs = clock.monotonicMs() + (coordination.signal.aborted ? 0 : closeTimeoutMs);
    while (running.size > 0 && clock.monotonicMs() < giveUpAtMs) await clock.sleep(10);
    for (const delivery of running.values()) stop(delivery, 'its consumer closes');
    await tending.close();
    opened.resolve();
    if (coordination.signal.aborted || redis.status !== 'ready') return;
    try {
      if (done.size > 0) await answerWithin(membership.acknowledge([...done]), leaveTimeoutMs, clock);
      await answerWithin(membership.leave(unbegun), leaveTimeoutMs, clock);
    } catch (error) {
      logger.debug('A group was not left; its messages are free when their time is over', { ...told, error });
    }
  }

  let closed: Promise<void> | undefined;
  const closeOnce = () => {
    closed ??= close();
    return closed;
  };
  const onParticipantLeaves = () => void closeOnce();
  coordination.signal.addEventListener('abort', onParticipantLeaves, { once: true });
  return { name: consumer, ready: opened.promise, close: closeOnce };
}

/** The client's word for an answer that did not come: the connection may be dead without a sign. */
function isTimeout(error: unknown): boolean {
  return String(error).includes('Command timed out');
}

/** The message itself is at fault: no further delivery would change that. */
class RefusedMessage extends Error {}
