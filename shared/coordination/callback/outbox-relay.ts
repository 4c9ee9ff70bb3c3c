import { backoffMs } from '../../runtime/backoff.ts';
import { childAbort } from '../../runtime/child-abort.ts';
import type { Coordination } from '../coordination.ts';
import { campaign } from '../election/election.ts';
import type { Outbox, OutboxMessage } from './outbox.ts';

export interface OutboxRelayOptions {
  readonly outbox: Outbox;
  /** Names the outbox among relays; the same on every host. Default `outbox`. */
  readonly name?: string;
  /**
   * Tells the receiver. What it throws is a failed try. It may run twice for a message: after a crash, or when another relay
   * took over. `signal` aborts when time is up or the relay is no longer the active one.
   */
  readonly send: (message: OutboxMessage, signal: AbortSignal) => Promise<void>;
  /** Of one try. Default 10 000. */
  readonly sendTimeoutMs?: number;
  /** Tries until a message is dead. Default 10: spread over up to 9 minutes. */
  readonly maxTries?: number;
  /** Between two looks when nothing was written here. Default 500. */
  readonly pollMs?: number;
  /** Sends at the same time, each of another topic and key. Default 8. */
  readonly concurrency?: number;
  /** Time within which another relay takes over from one that died. Default 3000. */
  readonly ttlMs?: number;
  /** Told of each message that was given up. It must not throw. */
  readonly onDead?: (message: OutboxMessage, error: unknown) => void;
}

export interface OutboxRelay {
  readonly isActive: boolean;
  /** Looks at once: call it after a commit. Does nothing while another relay is active. */
  wake(): void;
  /** Ends the tries in progress and gives the work to another relay. Never throws. */
  close(): Promise<void>;
}

const defaultSendTimeoutMs = 10_000;
const defaultMaxTries = 10;
const defaultPollMs = 500;
const defaultConcurrency = 8;
/** Messages read at a time; few, because each is read again when it was not sent. */
const batchSize = 100;
/** A receiver that is restarted is back within seconds; one that has an outage needs no asking more often than each 5 minutes. */
const retryDelay = { baseMs: 1000, maxMs: 300_000 };

/**
 * Sends what is in an outbox: at least once, in order for each topic and key, by one active relay of all that run. A message
 * that fails is tried again with growing delays, and holds up those of its key until it is sent or dead. While Redis is away
 * nothing is sent.
 */
export function createOutboxRelay(coordination: Coordination, options: OutboxRelayOptions): OutboxRelay {
  const { outbox, send, name = 'outbox', ttlMs, onDead } = options;
  const { sendTimeoutMs = defaultSendTimeoutMs, maxTries = defaultMaxTries } = options;
  const { pollMs = defaultPollMs, concurrency = defaultConcurrency } = options;
  const { clock, logger, signal } = coordination;
  let rest = childAbort();
  let isWoken = false;

  const relay = campaign({
    ...{ redis: coordination.redis, name: `outbox-${name}`, identity: coordination.identity, signal, clock, logger },
    prefix: coordination.prefix,
    wakeUps: coordination.wakeUps,
    guard: coordination.guard,
    minReplicas: coordination.minReplicas,
    ...(ttlMs === undefined ? {} : { ttlMs }),
    onElected: async (_term, lost, assertHeld) => {
      while (!lost.aborted) {
        isWoken = false;
        let sent = 0;
        try {
          sent = await sendBatch(lost, assertHeld);
        } catch (error) {
          if (!lost.aborted) logger.warn('An outbox could not be read', { name, error });
        }
        if (sent > 0 || isWoken) continue;
        rest = childAbort(lost);
        await clock.sleep(pollMs, rest.signal);
        rest.abort();
      }
    },
  });

  async function sendBatch(lost: AbortSignal, assertHeld: () => void): Promise<number> {
    const waiting = [...(await outbox.due(batchSize))];
    let sent = 0;
    const sendNext = async () => {
      for (let message = waiting.shift(); message !== undefined; message = waiting.shift()) {
        assertHeld();
        if (await tryOnce(message, lost)) sent++;
      }
    };
    const results = await Promise.allSettled(Array.from({ length: concurrency }, sendNext));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    return sent;
  }

  async function tryOnce(message: OutboxMessage, lost: AbortSignal): Promise<boolean> {
    const time = childAbort(lost);
    try {
      const late = clock.sleep(sendTimeoutMs, time.signal).then(() => {
        throw new Error(lost.aborted ? 'Another relay is active' : `Not sent within ${sendTimeoutMs} ms`);
      });
      late.catch(() => {});
      await Promise.race([send(message, time.signal), late]);
    } catch (error) {
      // A try that the end of the relay cut off is no failure of the receiver.
      if (!lost.aborted) await putOff(message, error);
      return false;
    } finally {
      time.abort();
    }
    await outbox.remove(message.id);
    return true;
  }

  async function putOff(message: OutboxMessage, error: unknown): Promise<void> {
    const text = error instanceof Error ? error.message : String(error);
    const isDead = message.attempt >= maxTries;
    const boundMs = backoffMs(message.attempt - 1, retryDelay, Math.random);
    await outbox.putOff(message.id, text, isDead ? undefined : boundMs);
    logger.warn(isDead ? 'A message is dead' : 'A message was not sent', {
      topic: message.topic,
      id: message.id,
      error,
    });
    if (isDead) onDead?.(message, error);
  }

  return {
    get isActive() {
      return relay.term !== undefined;
    },
    wake() {
      isWoken = true;
      rest.abort();
    },
    close: () => relay.close(),
  };
}
