import { randomUUID } from 'node:crypto';

import { DroverError } from '../../contracts/drover-error.ts';
import { childAbort } from '../../runtime/child-abort.ts';
import type { Coordination } from '../coordination.ts';
import { answerTimeoutMs, answerWithin, type HeldLease, hold } from '../lease/hold.ts';
import { acquireRwSemaphore, releaseRwSemaphore, renewRwSemaphore, type SharedKind } from './rw-semaphore-scripts.ts';

export interface SharedOptions {
  /** Default 10,000, from 100 to a day. */
  readonly ttlMs?: number;
  /** Default 30,000; 0 is one try. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
}

export interface SharedHold extends AsyncDisposable {
  readonly name: string;
  readonly kind: SharedKind;
  /** Of this hold alone, and above all that were given out before it. Fences compare those of writers. */
  readonly token: number;
  readonly signal: AbortSignal;
  readonly lossReason: HeldLease['lossReason'];
  /** @throws DroverError LEASE_LOST */
  assert(): void;
  /** Never throws: what cannot be given back expires. */
  release(): Promise<void>;
}

export interface Semaphore {
  /** Waits in line for a permit of its own, which ends by itself unless it is renewed. Errors as of locks. */
  acquire(options?: SharedOptions): Promise<SharedHold>;
}

/**
 * Locks of which several may be held at once, first come, first served: readers that stand in line together go in
 * together, and none overtakes a writer that waits. A holder that dies blocks for its ttl at most, a waiter that dies for
 * the time its place is kept.
 */
export interface RwSemaphores {
  /** @throws DroverError LOCK_TIMEOUT, STORE_UNREACHABLE, ARGUMENT_INVALID; the signal's reason when it aborts */
  readLock(name: string, options?: SharedOptions): Promise<SharedHold>;
  /** As `readLock`; nobody else reads or writes meanwhile. */
  writeLock(name: string, options?: SharedOptions): Promise<SharedHold>;
  /** All that share a name must say the same number of permits, 1 to 10,000; the one that asks decides for itself. */
  semaphore(name: string, options: { readonly permits: number }): Semaphore;
}

const defaultTtlMs = 10_000;
const minTtlMs = 100;
const maxTtlMs = 24 * 3600_000;
const defaultWaitMs = 30_000;
const maxPermits = 10_000;
const maxNameLength = 256;
/** Refreshed three times in it; a waiter that died holds up those behind it for so long. */
const keptMs = 3000;
/** Redis away: tried again so soon, since whoever waits would rather be early. */
const retryMs = 100;

interface Wanted extends SharedOptions {
  readonly name: string;
  readonly kind: SharedKind;
  readonly permits: number;
}

export function createRwSemaphores(coordination: Coordination): RwSemaphores {
  return {
    readLock: (name, options) => acquire(coordination, { name, kind: 'read', permits: 0, ...options }),
    writeLock: (name, options) => acquire(coordination, { name, kind: 'write', permits: 0, ...options }),
    semaphore(name, { permits }) {
      if (!Number.isSafeInteger(permits) || permits < 1 || permits > maxPermits) {
        throw invalid('permits', 'is no number of permits', `1 to ${maxPermits}`);
      }
      return { acquire: (options) => acquire(coordination, { name, kind: 'semaphore', permits, ...options }) };
    },
  };
}

async function acquire(coordination: Coordination, wanted: Wanted): Promise<SharedHold> {
  const { redis, prefix, guard, identity, participantId, wakeUps, clock, logger } = coordination;
  const { name, kind, permits, ttlMs = defaultTtlMs, waitMs = defaultWaitMs, signal } = wanted;
  check(name, ttlMs, waitMs);
  signal?.throwIfAborted();
  coordination.signal.throwIfAborted();
  const holder = randomUUID();
  const space = [prefix, guard, `${kind === 'semaphore' ? kind : 'rw'}:${name}`, holder] as const;
  const giveUpAtMs = clock.monotonicMs() + waitMs;
  let woken = childAbort(signal);
  const listening = wakeUps.listen(`${prefix}:wake:${participantId}`, (message) => {
    if (message === null || message === holder) woken.abort();
  });
  const giveBack = () => releaseRwSemaphore.run(redis, [], [...space]);
  let lastAnswer = 'unreachable';
  try {
    for (;;) {
      const sentAtMs = clock.monotonicMs();
      const isLast = sentAtMs >= giveUpAtMs;
      let pauseMs = retryMs;
      try {
        const args = [identity, participantId, kind, permits, ttlMs, isLast ? 0 : keptMs] as const;
        const running = acquireRwSemaphore.run(redis, [], [...space, ...args]);
        const [answer, value] = await answerWithin(running, answerTimeoutMs(Math.max(ttlMs, keptMs)), clock);
        if (answer === 'acquired') {
          const lease = hold({
            what: `${kind} ${name}`,
            epoch: Number(value),
            ttlMs,
            sentAtMs,
            renew: () => renewRwSemaphore.run(redis, [], [...space, ttlMs]),
            giveBack: async () => void (await giveBack()),
            clock,
            logger,
          });
          return toShared(name, kind, lease);
        }
        lastAnswer = answer;
        pauseMs = Math.min(keptMs / 3, Number(value) > 0 ? Number(value) + 1 : keptMs);
      } catch (error) {
        lastAnswer = 'unreachable';
        logger.debug('No answer about a lock', { lock: name, error });
      }
      if (isLast) break;
      await clock.sleep(Math.max(0, Math.min(pauseMs, giveUpAtMs - clock.monotonicMs())), woken.signal);
      signal?.throwIfAborted();
      coordination.signal.throwIfAborted();
      if (woken.signal.aborted) woken = childAbort(signal);
    }
    throw notHad(name, kind, waitMs, lastAnswer);
  } catch (error) {
    // Leaves the line, and hands on what was reserved or taken without our knowing.
    await answerWithin(giveBack(), answerTimeoutMs(ttlMs), clock).catch(() => {});
    throw error;
  } finally {
    listening.close();
    woken.abort();
  }
}

function toShared(name: string, kind: SharedKind, lease: HeldLease): SharedHold {
  return {
    name,
    kind,
    token: lease.epoch,
    signal: lease.signal,
    get lossReason() {
      return lease.lossReason;
    },
    assert: () => lease.assertHeld(),
    release: () => lease.release(),
    [Symbol.asyncDispose]: () => lease.release(),
  };
}

function notHad(name: string, kind: SharedKind, waitMs: number, reason: string): DroverError {
  const details = { name, kind, waitMs, reason };
  const what = kind === 'semaphore' ? `A permit of ${name}` : `The ${kind} lock ${name}`;
  if (reason === 'unreachable') {
    return new DroverError('STORE_UNREACHABLE', `${what} could not be asked for within ${waitMs} ms.`, { details });
  }
  return new DroverError('LOCK_TIMEOUT', `${what} was not to be had within ${waitMs} ms: ${reason}.`, { details });
}

function check(name: string, ttlMs: number, waitMs: number): void {
  if (typeof name !== 'string' || name.length === 0 || name.length > maxNameLength) {
    throw invalid('name', 'is no name of a lock', `1 to ${maxNameLength} characters`);
  }
  if (!Number.isSafeInteger(ttlMs) || ttlMs < minTtlMs || ttlMs > maxTtlMs) {
    throw invalid('ttlMs', 'is no ttl', `an integer from ${minTtlMs} to ${maxTtlMs}`);
  }
  if (!(waitMs >= 0 && waitMs <= maxTtlMs)) throw invalid('waitMs', 'is no time', `0 to ${maxTtlMs}`);
}

function invalid(path: string, reason: string, allowed: string): DroverError {
  return new DroverError('ARGUMENT_INVALID', `${path} ${reason}: ${allowed}.`, { issues: [{ path, reason, allowed }] });
}
