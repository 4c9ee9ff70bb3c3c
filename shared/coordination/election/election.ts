import type { Redis } from 'ioredis';
import { childAbort } from '../../runtime/child-abort.ts';

import { type Clock, systemClock } from '../../runtime/clock.ts';
import { type Logger, silentLogger } from '../../runtime/logger.ts';
import type { HeldLease, LossReason } from '../lease/hold.ts';
import { createLease } from '../lease/lease.ts';
import { leaseKeys } from '../lease/lease-keys.ts';

export interface CampaignOptions {
  /** A client of the `coord` profile. */
  readonly redis: Redis;
  /** A client of the `pubsub` profile; with it a leader that leaves is followed at once, without it within the retry time. */
  readonly subscriber?: Redis;
  readonly name: string;
  /** Default 3000, so that another leads within 3.5 s of a leader's sudden death. */
  readonly ttlMs?: number;
  readonly identity: string;
  readonly prefix?: string;
  /**
   * Called at each election. `signal` aborts before the term can end. `assertHeld` throws LEASE_LOST when the term is
   * over, also after a pause of the whole process: call it before each write. If the returned promise rejects, or
   * resolves while the term goes on, the term is given back; no new term begins here before it has settled.
   */
  readonly onElected: (term: number, signal: AbortSignal, assertHeld: () => void) => Promise<void>;
  /** Called once for each term, when its signal has aborted. */
  readonly onLost?: (term: number, reason: LossReason) => void;
  /** Ends the campaign, as `close()` does. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

export interface Campaign {
  /** The term held here now, if any. */
  readonly term: number | undefined;
  /** Gives up leadership, waits for `onElected` to settle, and ends. */
  close(): Promise<void>;
}

const defaultTtlMs = 3000;
/** With the ttl it bounds the failover; the jitter keeps candidates from asking in step. */
const minRetryMs = 300;
const maxRetryMs = 500;

/** Stands for leader, leads when elected, and stands again when a term has ended, until closed. */
export function campaign(options: CampaignOptions): Campaign {
  const { name, identity, subscriber, ttlMs = defaultTtlMs } = options;
  const { clock = systemClock, logger = silentLogger } = options;
  const lease = createLease({ ...options, ttlMs });
  const { wakeChannel } = leaseKeys(name, options.prefix);
  const closing = new AbortController();
  const close = () => closing.abort();
  let wakeUp = childAbort(closing.signal);
  let current: HeldLease | undefined;

  const onMessage = (channel: string) => {
    if (channel === wakeChannel) wakeUp.abort();
  };
  subscriber?.on('message', onMessage);
  subscriber?.subscribe(wakeChannel).catch((error) => logger.debug('No wake-ups for an election', { name, error }));
  options.signal?.addEventListener('abort', close, { once: true });
  if (options.signal?.aborted) close();

  async function run(): Promise<void> {
    while (!closing.signal.aborted) {
      wakeUp.abort();
      wakeUp = childAbort(closing.signal);
      const answer = await lease.acquire();
      if (answer.held) {
        await lead(answer);
        continue;
      }
      const retryMs = minRetryMs + Math.random() * (maxRetryMs - minRetryMs);
      await clock.sleep(retryMs, wakeUp.signal);
    }
  }

  async function lead(held: HeldLease): Promise<void> {
    const giveBack = () => void held.release();
    closing.signal.addEventListener('abort', giveBack, { once: true });
    held.signal.addEventListener('abort', () => options.onLost?.(held.epoch, held.lossReason ?? 'closed'), {
      once: true,
    });
    current = held;
    logger.info('Elected', { name, identity, term: held.epoch });
    try {
      if (closing.signal.aborted) giveBack();
      else await options.onElected(held.epoch, held.signal, held.assertHeld);
    } catch (error) {
      if (!held.signal.aborted)
        logger.error('Leading failed, the term is given back', { name, term: held.epoch, error });
    }
    await held.release();
    closing.signal.removeEventListener('abort', giveBack);
    current = undefined;
    logger.info('No longer leader', { name, identity, term: held.epoch, reason: held.lossReason });
  }

  const finished = run();
  return {
    get term() {
      return current?.signal.aborted === false ? current.epoch : undefined;
    },
    async close() {
      close();
      await finished;
      options.signal?.removeEventListener('abort', close);
      subscriber?.off('message', onMessage);
      // Not waited for: a Redis that hangs would hold up the end of the process, and an end needs no messages.
      if (subscriber?.status === 'ready') subscriber.unsubscribe(wakeChannel).catch(() => {});
    },
  };
}
