import { randomUUID } from 'node:crypto';

import { DroverError } from '../../contracts/drover-error.ts';
import { childAbort } from '../../runtime/child-abort.ts';
import type { Coordination } from '../coordination.ts';
import { answerTimeoutMs, answerWithin, type HeldLease, hold } from '../lease/hold.ts';
import { lockKeys } from './lock-keys.ts';
import { acquireLock, breakLockScript, releaseLock, renewLock } from './lock-scripts.ts';

export interface LockOptions {
  /** Default 10,000, at least 100. All that contend for one name should use the same. */
  readonly ttlMs?: number;
  /** How long to stand in line, default 30,000. */
  readonly waitMs?: number;
  /** After an end that was no release nobody gets the lock for so long. Default 0. */
  readonly lockDelayMs?: number;
  readonly signal?: AbortSignal;
}

export interface HeldLock extends AsyncDisposable {
  /** Of several names the sorted ones, joined by a comma. */
  readonly name: string;
  /** The fencing token: above every earlier one of any lock. */
  readonly token: number;
  /** Aborts before the lock can end. */
  readonly signal: AbortSignal;
  readonly lossReason: HeldLease['lossReason'];
  /** @throws DroverError LEASE_LOST */
  assert(): void;
  /** Never throws: what cannot be given back expires. */
  release(): Promise<void>;
}

/** Locks of one Redis, first come, first served. A waiter is woken by a message; losing one costs time, never truth. */
export interface Locks {
  /**
   * Several names are taken all at once or not at all.
   * @throws DroverError LOCK_TIMEOUT, STORE_UNREACHABLE, ARGUMENT_INVALID; the signal's reason when it aborts
   */
  lock(name: string | readonly string[], options?: LockOptions): Promise<HeldLock>;
  /** One try, in no line: null when it is held. @throws DroverError STORE_UNREACHABLE, ARGUMENT_INVALID */
  tryLock(name: string, options?: Pick<LockOptions, 'ttlMs' | 'lockDelayMs'>): Promise<HeldLock | null>;
  /** Runs `body` while the lock is held. An error of the body is rethrown as it is. */
  withLock<T>(name: string | readonly string[], options: LockOptions, body: (lock: HeldLock) => Promise<T>): Promise<T>;
  /** Puts out the holder with this token, who learns it at its next renewal. @throws DroverError LOCK_NOT_FOUND */
  breakLock(name: string, token: number): Promise<void>;
}

const defaultTtlMs = 10_000;
const minTtlMs = 100;
const defaultWaitMs = 30_000;
const maxNameLength = 256;
/** One script looks at all of them; more would hold up everyone else in Redis. */
const maxNames = 32;
/** A place in line is kept so long without a sign of life: three looks. */
const keptMs = 3000;
const lookMs = keptMs / 3;
/** After a try without an answer; Redis is back within a reconnection, or not soon. */
const retryMs = 100;

export function createLocks(coordination: Coordination): Locks {
  const { redis, wakeUps, prefix, guard, identity, participantId, minReplicas, clock, logger } = coordination;
  const waiting = new Map<string, () => void>();
  /** Until the participant leaves: its next wait will need the channel again. */
  let isListening = false;

  function wake(holder: string | null): void {
    if (holder !== null) waiting.get(holder)?.();
    else for (const look of waiting.values()) look();
  }

  async function ask(wanted: Wanted, ticket: string, isWaiting: boolean, timeoutMs: number, signal?: AbortSignal) {
    const { holder, names, limitMs } = wanted;
    const running = acquireLock.run(
      redis,
      [],
      [prefix, guard, holder, identity, participantId, limitMs, isWaiting ? keptMs : 0, ticket, ...names],
    );
    return answerWithin(running, timeoutMs, clock, signal);
  }

  /** A write that too few replicas have may be lost in a failover: as if it had no answer. */
  async function replicate(ttlMs: number): Promise<void> {
    if (minReplicas === 0) return;
    const replicas = await redis.wait(minReplicas, Math.ceil(answerTimeoutMs(ttlMs)));
    if (replicas < minReplicas) throw new Error(`${replicas} of ${minReplicas} replicas have it`);
  }

  /** Leaves the line and gives back what an unanswered try may have taken. */
  async function leave({ holder, names, ttlMs }: Wanted): Promise<void> {
    try {
      const running = releaseLock.run(redis, [], [prefix, guard, holder, '1', ...names]);
      await answerWithin(running, answerTimeoutMs(ttlMs), clock);
    } catch (error) {
      logger.debug('A line could not be left; the place in it expires', { names, error });
    }
  }

  function keep(wanted: Wanted, epoch: number, sentAtMs: number): HeldLock {
    const { holder, names, ttlMs, limitMs } = wanted;
    const name = names.join(',');
    const held = hold({
      what: `lock ${name}`,
      epoch,
      ttlMs,
      sentAtMs,
      async renew() {
        const reply = await renewLock.run(redis, [], [prefix, guard, holder, limitMs, ...names]);
        if (reply === 'renewed') await replicate(ttlMs);
        return reply;
      },
      async giveBack() {
        await releaseLock.run(redis, [], [prefix, guard, holder, '0', ...names]);
      },
      clock,
      logger,
    });
    return {
      name,
      token: epoch,
      signal: held.signal,
      get lossReason() {
        return held.lossReason;
      },
      assert: held.assertHeld,
      release: held.release,
      [Symbol.asyncDispose]: held.release,
    };
  }

  async function wait(wanted: Wanted, waitMs: number, signal?: AbortSignal): Promise<HeldLock> {
    const { holder, names, ttlMs } = wanted;
    const giveUpAtMs = clock.monotonicMs() + waitMs;
    const ending = childAbort(coordination.signal);
    const onAbort = () => ending.abort();
    signal?.addEventListener('abort', onAbort, { once: true });
    let ticket = '';
    let failure: unknown;
    let isWoken = false;
    let awake = childAbort(ending.signal);
    waiting.set(holder, () => {
      isWoken = true;
      awake.abort();
    });
    if (!isListening) wakeUps.listen(lockKeys(prefix).wake(participantId), wake);
    isListening = true;
    try {
      for (;;) {
        signal?.throwIfAborted();
        coordination.signal.throwIfAborted();
        isWoken = false;
        const sentAtMs = clock.monotonicMs();
        let pauseMs = retryMs;
        try {
          const reply = await ask(wanted, ticket, true, answerTimeoutMs(ttlMs), ending.signal);
          if (reply[0] === 'acquired') {
            await replicate(ttlMs);
            signal?.throwIfAborted();
            coordination.signal.throwIfAborted();
            return keep(wanted, Number(reply[1]), sentAtMs);
          }
          failure = undefined;
          if (reply[0] === 'queued') ticket = reply[2];
          // The end of a holder that died is not told: the first in line looks then.
          pauseMs = reply[1] < 0 ? lookMs : Math.min(lookMs, reply[1] + 1);
        } catch (error) {
          failure = error;
        }
        const restMs = giveUpAtMs - clock.monotonicMs();
        if (restMs <= 0) throw notGot(names, waitMs, failure);
        if (isWoken) continue;
        awake.abort();
        awake = childAbort(ending.signal);
        await clock.sleep(Math.min(pauseMs, restMs), awake.signal);
      }
    } catch (error) {
      await leave(wanted);
      throw error;
    } finally {
      waiting.delete(holder);
      awake.abort();
      ending.abort();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  async function lock(name: string | readonly string[], options: LockOptions = {}): Promise<HeldLock> {
    const { waitMs = defaultWaitMs, signal } = options;
    if (!(waitMs >= 0)) throw invalid('waitMs', 'is no length of time', 'at least 0');
    return wait(toWanted(name, options), waitMs, signal);
  }

  return {
    lock,
    async tryLock(name, options = {}) {
      const wanted = toWanted(name, options);
      const sentAtMs = clock.monotonicMs();
      try {
        const reply = await ask(wanted, '', false, answerTimeoutMs(wanted.ttlMs));
        if (reply[0] !== 'acquired') return null;
        await replicate(wanted.ttlMs);
        return keep(wanted, Number(reply[1]), sentAtMs);
      } catch (error) {
        await leave(wanted);
        throw notGot(wanted.names, 0, error);
      }
    },
    async withLock(name, options, body) {
      const held = await lock(name, options);
      try {
        return await body(held);
      } finally {
        await held.release();
      }
    },
    async breakLock(name, token) {
      if ((await breakLockScript.run(redis, [], [prefix, guard, token, name])) === 1) return;
      throw new DroverError('LOCK_NOT_FOUND', `Nobody holds the lock ${name} under token ${token}.`);
    },
  };
}

interface Wanted {
  readonly holder: string;
  readonly names: readonly string[];
  readonly ttlMs: number;
  /** Of the keys in Redis: the delay after an end without release is part of it. */
  readonly limitMs: number;
}

function toWanted(name: string | readonly string[], { ttlMs = defaultTtlMs, lockDelayMs = 0 }: LockOptions): Wanted {
  const names = [...new Set(typeof name === 'string' ? [name] : name)].sort();
  if (names.length === 0 || names.length > maxNames) throw invalid('name', 'is no list of names', `1 to ${maxNames}`);
  for (const one of names) {
    if (typeof one === 'string' && one.length > 0 && one.length <= maxNameLength) continue;
    throw invalid('name', 'is no name', `1 to ${maxNameLength} characters`);
  }
  if (!(ttlMs >= minTtlMs)) throw invalid('ttlMs', 'is too short', `at least ${minTtlMs}`);
  if (!(lockDelayMs >= 0)) throw invalid('lockDelayMs', 'is no length of time', 'at least 0');
  return { holder: randomUUID(), names, ttlMs, limitMs: Math.ceil(ttlMs + lockDelayMs) };
}

function invalid(path: string, reason: string, allowed: string): DroverError {
  return new DroverError('ARGUMENT_INVALID', `${path} ${reason}: ${allowed}.`, { issues: [{ path, reason, allowed }] });
}

function notGot(names: readonly string[], waitMs: number, failure: unknown): DroverError {
  const what = `lock ${names.join(', ')}`;
  if (failure === undefined) {
    return new DroverError('LOCK_TIMEOUT', `The ${what} was not to be had within ${waitMs} ms. Ask again later.`);
  }
  const message = `Redis gave no answer about the ${what}. Ask again when it is back.`;
  return new DroverError('STORE_UNREACHABLE', message, { cause: failure });
}
