import { DroverError } from '../../contracts/drover-error.ts';
import type { Coordination } from '../coordination.ts';
import { answerTimeoutMs, answerWithin } from '../lease/hold.ts';
import { lockKeys } from './lock-keys.ts';

/** What the scripts answer to one who asks. `ms`: until looking again may help; below 0 if only a message will tell. */
export type LineAnswer =
  | readonly ['acquired', epoch: string]
  | readonly ['held' | 'queued' | 'recovering', ms: number, ...unknown[]];

/** One who wants something, the same for all its tries. */
export interface Place {
  /** For people: `lock order:42`. */
  readonly what: string;
  readonly holder: string;
  readonly ttlMs: number;
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
  /** One try; with `keptMs` above 0 it also stands in line for that long. Must find again what an earlier try has taken. */
  ask(keptMs: number): Promise<LineAnswer>;
  /** Leaves the line, and gives back what was reserved or taken. */
  leave(): Promise<unknown>;
}

export interface Grant {
  readonly epoch: number;
  /** Monotonic time at which the request that took it was sent. */
  readonly sentAtMs: number;
}

/** Standing in line for what Redis hands out, first come, first served. */
export interface Line {
  /** @throws DroverError LOCK_TIMEOUT, STORE_UNREACHABLE; the reason of the signal that aborts */
  stand(place: Place): Promise<Grant>;
  /** One try, in no line; null when another has it. @throws DroverError STORE_UNREACHABLE */
  tryOnce(place: Place): Promise<Grant | null>;
  /** The answer to a renewal; rejects when too few replicas have it. */
  renew<T extends readonly [string, ...unknown[]]>(answer: Promise<T>, ttlMs: number): Promise<T>;
}

/** A place in line is kept so long without a sign of life: three looks, and one that is late. */
export const keptMs = 3000;
/** Below the time for which a reservation stands, so that who hears no message still claims it. */
const lookMs = 800;
/** After a try without an answer; Redis is back within a reconnection, or not soon. */
const retryMs = 100;
/** Short times to live must not make a busy server look like one that is away. */
const minAnswerMs = 100;

interface Waiter {
  isWoken: boolean;
  wake: (() => void) | undefined;
}

/**
 * The lines of one participant. Who is served is told on the participant's own channel; that message only says "look
 * again", and everybody looks more than once a second anyway, so losing it costs time, never truth.
 */
export function createLine(coordination: Coordination): Line {
  const { redis, wakeUps, prefix, participantId, minReplicas, clock, logger, signal: leaving } = coordination;
  const waiting = new Map<string, Waiter>();
  /** Until the participant leaves: its next wait will need the channel again. */
  let isListening = false;

  function wake(waiter: Waiter | undefined): void {
    if (waiter === undefined) return;
    waiter.isWoken = true;
    waiter.wake?.();
  }

  function listen(): void {
    if (isListening) return;
    isListening = true;
    wakeUps.listen(lockKeys(prefix).wake(participantId), (holder) => {
      if (holder !== null) wake(waiting.get(holder));
      else for (const waiter of waiting.values()) wake(waiter);
    });
  }

  async function ask(place: Place, placeKeptMs: number, withinMs = Number.POSITIVE_INFINITY): Promise<LineAnswer> {
    const timeoutMs = Math.max(minAnswerMs, Math.min(answerTimeoutMs(place.ttlMs), withinMs));
    const answer = await answerWithin(place.ask(placeKeptMs), timeoutMs, clock);
    if (minReplicas > 0 && answer[0] === 'acquired') await requireReplicas(timeoutMs);
    return answer;
  }

  /** What too few replicas have may be lost in a failover: as good as no answer. */
  async function requireReplicas(timeoutMs: number): Promise<void> {
    const replicas = await answerWithin(redis.wait(minReplicas, Math.ceil(timeoutMs)), 2 * timeoutMs, clock);
    if (replicas < minReplicas) throw new Error(`${replicas} of ${minReplicas} replicas have it`);
  }

  async function renewOnReplicas<T extends readonly [string, ...unknown[]]>(
    answer: Promise<T>,
    ttlMs: number,
  ): Promise<T> {
    const reply = await answer;
    if (reply[0] === 'renewed') await requireReplicas(answerTimeoutMs(ttlMs) / 2);
    return reply;
  }

  /** Tries at once, and then for as long as something taken without our knowing could live. */
  async function leave(place: Place): Promise<void> {
    const tryToLeave = async () => {
      try {
        await answerWithin(place.leave(), Math.max(minAnswerMs, answerTimeoutMs(place.ttlMs)), clock);
        return true;
      } catch (error) {
        logger.debug('A line could not be left yet; the place in it expires', { what: place.what, error });
        return false;
      }
    };
    if (await tryToLeave()) return;
    const giveUpAtMs = clock.monotonicMs() + place.ttlMs;
    void (async () => {
      while (!leaving.aborted && clock.monotonicMs() < giveUpAtMs) {
        await clock.sleep(retryMs, leaving);
        if (leaving.aborted || (redis.status === 'ready' && (await tryToLeave()))) return;
      }
    })();
  }

  async function wait(place: Place, waiter: Waiter, first: { answer?: LineAnswer; failure?: unknown }): Promise<Grant> {
    const { signal, waitMs } = place;
    let { answer, failure } = first;
    const giveUpAtMs = clock.monotonicMs() + waitMs;
    const onAbort = () => wake(waiter);
    signal?.addEventListener('abort', onAbort, { once: true });
    leaving.addEventListener('abort', onAbort, { once: true });
    try {
      for (;;) {
        const restMs = giveUpAtMs - clock.monotonicMs();
        if (restMs <= 0) throw notGot(place, failure);
        if (!waiter.isWoken) await pause(waiter, Math.min(pauseAfter(answer), restMs));
        signal?.throwIfAborted();
        leaving.throwIfAborted();
        waiter.isWoken = false;
        const sentAtMs = clock.monotonicMs();
        try {
          answer = await ask(place, keptMs, giveUpAtMs - sentAtMs);
          failure = undefined;
        } catch (error) {
          answer = undefined;
          failure = error;
        }
        signal?.throwIfAborted();
        leaving.throwIfAborted();
        if (answer?.[0] === 'acquired') return { epoch: Number(answer[1]), sentAtMs };
      }
    } finally {
      signal?.removeEventListener('abort', onAbort);
      leaving.removeEventListener('abort', onAbort);
    }
  }

  function pause(waiter: Waiter, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = clock.schedule(ms, resolve);
      waiter.wake = () => {
        cancel();
        resolve();
      };
    });
  }

  return {
    renew: minReplicas === 0 ? (answer) => answer : renewOnReplicas,
    async stand(place) {
      const { holder, signal, waitMs } = place;
      const waiter: Waiter = { isWoken: false, wake: undefined };
      try {
        // Whoever gives up here may have been granted it already, by the short way: he leaves as all others do.
        signal?.throwIfAborted();
        leaving.throwIfAborted();
        // Before asking: what is told from then on is heard.
        waiting.set(holder, waiter);
        listen();
        const sentAtMs = clock.monotonicMs();
        const first: { answer?: LineAnswer; failure?: unknown } = {};
        try {
          first.answer = await ask(place, waitMs > 0 ? keptMs : 0);
          if (first.answer[0] === 'acquired') {
            signal?.throwIfAborted();
            leaving.throwIfAborted();
            return { epoch: Number(first.answer[1]), sentAtMs };
          }
        } catch (error) {
          signal?.throwIfAborted();
          first.failure = error;
        }
        return await wait(place, waiter, first);
      } catch (error) {
        await leave(place);
        throw error;
      } finally {
        waiting.delete(holder);
      }
    },
    async tryOnce(place) {
      leaving.throwIfAborted();
      const sentAtMs = clock.monotonicMs();
      try {
        const answer = await ask(place, 0);
        leaving.throwIfAborted();
        return answer[0] === 'acquired' ? { epoch: Number(answer[1]), sentAtMs } : null;
      } catch (error) {
        await leave(place);
        leaving.throwIfAborted();
        throw notGot(place, error);
      }
    },
  };
}

function pauseAfter(answer: LineAnswer | undefined): number {
  if (answer === undefined || answer[0] === 'acquired') return retryMs;
  // The end of a holder that died is not told: who is first in line looks then.
  return answer[1] < 0 ? lookMs : Math.min(lookMs, answer[1] + 1);
}

function notGot({ what, waitMs }: Place, failure: unknown): DroverError {
  if (failure === undefined) {
    const message = `The ${what} was not to be had within ${waitMs} ms. See who holds it, or wait longer.`;
    return new DroverError('LOCK_TIMEOUT', message, { details: { what, waitMs } });
  }
  const message = `Redis gave no answer that can be relied on about the ${what}. Ask again when it is back.`;
  return new DroverError('STORE_UNREACHABLE', message, { details: { what, waitMs }, cause: failure });
}
