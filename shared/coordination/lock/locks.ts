import { DroverError } from '../../contracts/drover-error.ts';
import { childAbort } from '../../runtime/child-abort.ts';
import type { Coordination } from '../coordination.ts';
import { answerTimeoutMs, answerWithin } from '../lease/hold.ts';
import { sendTogether } from '../send-together.ts';
import { checkName, checkNames, checkTimes, invalid } from './check-lock.ts';
import { type HeldLock, keepLock, whatOf } from './held-lock.ts';
import { createLine, type Grant, type Place } from './line.ts';
import { type ListLocksOptions, type LockView, listLocks } from './list-locks.ts';
import { acquireLock, breakLockScript, freeLocks, releaseLock, renewLock, takeFreeLocks } from './lock-scripts.ts';
import { acquireRwSemaphore, releaseRwSemaphore, renewRwSemaphore, type SharedKind } from './rw-semaphore-scripts.ts';

export interface LockOptions {
  /** Default 10,000, from 100 to a day. All that contend for one name should use the same. */
  readonly ttlMs?: number;
  /** How long to stand in line, default 30,000. */
  readonly waitMs?: number;
  /** After an end that was no release nobody gets the lock for so long. Default 0. */
  readonly lockDelayMs?: number;
  readonly signal?: AbortSignal;
}

export type SharedOptions = Omit<LockOptions, 'lockDelayMs'>;

export interface Semaphore {
  /** Waits in line for a permit of its own, which ends by itself unless it is renewed. Errors as of locks. */
  acquire(options?: SharedOptions): Promise<HeldLock>;
}

/**
 * Locks of one Redis, first come, first served. A holder that dies blocks for its ttl at most; a waiter that dies, for the
 * time its place is kept. Read-write locks, semaphores and plain locks are spaces of their own: the same name in two of
 * them has nothing to do with each other.
 */
export interface Locks {
  /**
   * Several names are taken all at once or not at all.
   * @throws DroverError LOCK_TIMEOUT, STORE_UNREACHABLE, ARGUMENT_INVALID; the signal's reason when it aborts
   */
  lock(name: string | readonly string[], options?: LockOptions): Promise<HeldLock>;
  /** One try, in no line: null when it is held. @throws DroverError STORE_UNREACHABLE, ARGUMENT_INVALID */
  tryLock(
    name: string | readonly string[],
    options?: Pick<LockOptions, 'ttlMs' | 'lockDelayMs'>,
  ): Promise<HeldLock | null>;
  /** Runs `body` while the lock is held. An error of the body is rethrown as it is, whatever becomes of the release. */
  withLock<T>(
    name: string | readonly string[],
    options: LockOptions,
    body: (lock: HeldLock) => T | Promise<T>,
  ): Promise<T>;
  /** Readers that stand in line together go in together, and none overtakes a writer that waits. Errors as of `lock`. */
  readLock(name: string, options?: SharedOptions): Promise<HeldLock>;
  /** As `readLock`; nobody else reads or writes meanwhile. */
  writeLock(name: string, options?: SharedOptions): Promise<HeldLock>;
  /** All that share a name must say the same number of permits, 1 to 10,000; the one that asks decides for itself. */
  semaphore(name: string, options: { readonly permits: number }): Semaphore;
  /** What is held or waited for. @throws DroverError STORE_UNREACHABLE */
  list(options?: ListLocksOptions): Promise<LockView[]>;
  /** Puts out the holder with this token, who learns it at its next renewal. @throws DroverError LOCK_NOT_FOUND, STORE_UNREACHABLE */
  breakLock(name: string, token: number): Promise<void>;
  /** Gives back all that is held here, and what is granted meanwhile; asks for nothing more afterwards. Never throws. */
  close(): Promise<void>;
}

const defaultTtlMs = 10_000;
const defaultWaitMs = 30_000;
const maxPermits = 10_000;
const breakAnswerMs = 1000;
/** One script holds up everyone else in Redis: with so many locks for a tenth of a millisecond. */
const maxTogether = 32;

interface Wanted {
  /** Sorted, each once. */
  readonly names: readonly string[];
  readonly label: string;
  /** The one name, where the short way may be gone. */
  readonly only: string | undefined;
  readonly holder: string;
  readonly ttlMs: number;
  /** Of the keys in Redis. */
  readonly limitMs: number;
  readonly waitMs: number;
  readonly signal: AbortSignal | undefined;
}

export function createLocks(coordination: Coordination): Locks {
  const { redis, prefix, guard, identity, participantId, minReplicas, clock } = coordination;
  const mayGoShortWay = guard === 'data' && minReplicas === 0;
  const closing = childAbort(coordination.signal);
  const line = createLine({ ...coordination, signal: closing.signal });
  /** What is asked for, to the point where it is held or refused. */
  const underWay = new Set<Promise<HeldLock | null>>();
  const held = new Set<HeldLock>();
  const onEnd = (lock: HeldLock) => held.delete(lock);
  let count = 0;

  const takeFree = sendTogether<{ holder: string; limitMs: number; only: string }, string>(maxTogether, (wanted) => {
    const args = wanted.flatMap(({ holder, limitMs, only }) => [holder, limitMs, only]);
    return takeFreeLocks.run(redis, [], [prefix, identity, ...args]);
  });
  const free = sendTogether<{ only: string; value: string }, 0 | 1>(maxTogether, (held) =>
    freeLocks.run(redis, [], [prefix, ...held.flatMap(({ only, value }) => [only, value])]),
  );

  /** Unique, and shorter than a UUID of its own for each. */
  function newHolder(): string {
    count += 1;
    return `${participantId}.${count.toString(36)}`;
  }

  function toWanted(name: string | readonly string[], options: LockOptions, waitMs: number): Wanted {
    const { ttlMs = defaultTtlMs, lockDelayMs = 0, signal } = options;
    const names = checkNames(name);
    checkTimes({ ttlMs, waitMs, lockDelayMs });
    return {
      ...{ names, holder: newHolder(), ttlMs, waitMs, signal },
      // The delay after an end without release is part of the keys' time, and not of the holder's.
      limitMs: Math.ceil(ttlMs + lockDelayMs),
      only: names.length === 1 && mayGoShortWay ? names[0] : undefined,
      label: names.length === 1 ? names[0]! : names.join(','),
    };
  }

  function placeOf({ names, holder, ttlMs, waitMs, signal, limitMs, label }: Wanted): Place {
    let ticket = '';
    return {
      ...{ what: `lock ${label}`, holder, ttlMs, waitMs, signal },
      async ask(keptMs) {
        const reply = await acquireLock.run(
          redis,
          [],
          [prefix, guard, holder, identity, participantId, limitMs, keptMs, ticket, ...names],
        );
        if (reply[0] === 'queued') ticket = reply[2];
        return reply;
      },
      leave: () => releaseLock.run(redis, [], [prefix, guard, holder, '1', ...names]),
    };
  }

  function keep({ names, holder, ttlMs, limitMs, only, label: name }: Wanted, { epoch, sentAtMs }: Grant): HeldLock {
    const release = () => releaseLock.run(redis, [], [prefix, guard, holder, '0', ...names]);
    const lock = keepLock(coordination, {
      ...{ name, kind: 'lock', ttlMs, epoch, sentAtMs, onEnd },
      async renew() {
        const renewing = renewLock.run(redis, [], [prefix, guard, holder, limitMs, ...names]);
        return (await line.renew(renewing, ttlMs))[0];
      },
      giveBack() {
        if (only === undefined) return release();
        const freeing = free({ only, value: `${holder} ${epoch} ${identity} ${limitMs}` });
        return freeing.then((freed) => (freed === 0 ? release() : freed));
      },
    });
    held.add(lock);
    return lock;
  }

  /**
   * Most often there is one name that nobody has or waits for: one short script, and no line. What that did not get, or
   * had no answer about, goes the long way, which finds again what the short one may have taken.
   */
  function take(wanted: Wanted, longWay: () => Promise<HeldLock>): Promise<HeldLock> {
    const { only, holder, limitMs, ttlMs, signal } = wanted;
    const isOver = () => closing.signal.aborted || signal?.aborted === true;
    if (only === undefined || isOver()) return longWay();
    const sentAtMs = clock.monotonicMs();
    return answerWithin(takeFree({ holder, limitMs, only }), answerTimeoutMs(ttlMs), clock).then(
      (epoch) => (epoch === '' || isOver() ? longWay() : keep(wanted, { epoch: Number(epoch), sentAtMs })),
      longWay,
    );
  }

  /** Who closes waits for all of it: what is granted to one who has gone would be renewed without anybody who gives it back. */
  async function follow<T extends HeldLock | null>(asking: Promise<T>): Promise<T> {
    underWay.add(asking);
    try {
      return await asking;
    } finally {
      underWay.delete(asking);
    }
  }

  async function lock(name: string | readonly string[], options: LockOptions = {}): Promise<HeldLock> {
    const wanted = toWanted(name, options, options.waitMs ?? defaultWaitMs);
    return follow(take(wanted, async () => keep(wanted, await line.stand(placeOf(wanted)))));
  }

  async function share(
    name: string,
    kind: SharedKind,
    permits: number,
    options: SharedOptions = {},
  ): Promise<HeldLock> {
    const { ttlMs = defaultTtlMs, waitMs = defaultWaitMs, signal } = options;
    checkName(name);
    checkTimes({ ttlMs, waitMs, lockDelayMs: 0 });
    const holder = newHolder();
    const space = [prefix, guard, kind === 'semaphore' ? 'semaphore' : 'rw', name, holder] as const;
    const { epoch, sentAtMs } = await line.stand({
      ...{ what: `${whatOf(kind)} ${name}`, holder, ttlMs, waitMs, signal },
      ask: (keptMs) =>
        acquireRwSemaphore.run(redis, [], [...space, identity, participantId, kind, permits, ttlMs, keptMs]),
      leave: () => releaseRwSemaphore.run(redis, [], [...space]),
    });
    const lock = keepLock(coordination, {
      ...{ name, kind, ttlMs, epoch, sentAtMs, onEnd },
      renew: async () => (await line.renew(renewRwSemaphore.run(redis, [], [...space, ttlMs]), ttlMs))[0],
      giveBack: () => releaseRwSemaphore.run(redis, [], [...space]),
    });
    held.add(lock);
    return lock;
  }

  return {
    lock,
    async tryLock(name, options = {}) {
      const wanted = toWanted(name, options, 0);
      const trying = line.tryOnce(placeOf(wanted));
      return follow(trying.then((grant) => (grant === null ? null : keep(wanted, grant))));
    },
    async withLock(name, options, body) {
      const lockOfBody = await lock(name, options);
      try {
        return await body(lockOfBody);
      } finally {
        await lockOfBody.release();
      }
    },
    readLock: (name, options) => follow(share(name, 'read', 0, options)),
    writeLock: (name, options) => follow(share(name, 'write', 0, options)),
    semaphore(name, { permits }) {
      if (!Number.isSafeInteger(permits) || permits < 1 || permits > maxPermits) {
        throw invalid('permits', 'is no number of permits', `1 to ${maxPermits}`);
      }
      return { acquire: (options) => follow(share(name, 'semaphore', permits, options)) };
    },
    list: (options) => listLocks(coordination, options),
    async breakLock(name, token) {
      let broken: 0 | 1;
      try {
        broken = await answerWithin(
          breakLockScript.run(redis, [], [prefix, guard, token, checkName(name)]),
          breakAnswerMs,
          clock,
        );
      } catch (cause) {
        if (cause instanceof DroverError) throw cause;
        throw new DroverError(
          'STORE_UNREACHABLE',
          `Redis did not answer about the lock ${name}. Look, then try again.`,
          {
            cause,
          },
        );
      }
      if (broken === 1) return;
      throw new DroverError('LOCK_NOT_FOUND', `Nobody holds the lock ${name} under token ${token}.`, {
        details: { name, token },
      });
    },
    async close() {
      closing.abort();
      // All lines are left first: what is given back must not go to one who leaves as well.
      await Promise.allSettled([...underWay]);
      await Promise.all([...held].map((each) => each.release()));
    },
  };
}
