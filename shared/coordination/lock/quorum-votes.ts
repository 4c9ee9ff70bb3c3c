import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import Redlock, { ExecutionError, type ExecutionStats, Lock, ResourceLockedError } from 'redlock';

import type { Clock } from '../../runtime/clock.ts';
import { answerWithin } from '../lease/hold.ts';
import { lockKeys } from './lock-keys.ts';
import { acquireQuorum, extendQuorum, releaseQuorum } from './quorum-scripts.ts';

export interface QuorumVotesOptions {
  readonly masters: readonly Redis[];
  readonly prefix: string;
  readonly name: string;
  readonly ttlMs: number;
  readonly identity: string;
  readonly clock: Clock;
}

/** `held`: enough masters said no. `unreachable`: too few said anything in time. `recovering`: too many lost their data. */
export type QuorumRefusal = 'held' | 'recovering' | 'unreachable';

/** Votes of the masters for one lock, on behalf of one caller. Nothing here waits longer than its caller says. */
export interface QuorumVotes {
  /** One try with a value of its own: tries of earlier calls are given back, also those whose answer never came. */
  acquire(withinMs: number): Promise<{ readonly value: string } | { readonly refusal: QuorumRefusal }>;
  /** Rejects when too few masters answered to know. */
  extend(value: string): Promise<'renewed' | 'expired' | 'taken'>;
  /** Rejects unless a majority has confirmed. */
  giveBack(value: string): Promise<void>;
  /** Gives back tries whose answer never came; once, and as far as masters answer. Never rejects. */
  giveBackUnknown(): Promise<void>;
}

/** More can only be left behind while masters are away, and what a master never got need not be given back. */
const maxUnknown = 16;

/** One try per call, since its own retries count against the lock's validity. */
const once = { retryCount: 0 };

/** Values come from us, because a try that failed leaves no lock object by which it could be given back. */
class ValuedRedlock extends Redlock {
  nextValue = '';

  protected override _random(): string {
    return this.nextValue;
  }
}

export function createQuorumVotes(options: QuorumVotesOptions): QuorumVotes {
  const { masters, prefix, name, ttlMs, identity, clock } = options;
  const resources = [lockKeys(prefix).quorum(name), `${prefix}:boot`];
  const redlock = new ValuedRedlock(masters, once, {
    // As functions: texts are ignored, whatever the package's types say.
    acquireScript: () => acquireQuorum.source,
    extendScript: () => extendQuorum.source,
    releaseScript: () => releaseQuorum.source,
  });
  /** Values that may hold votes without our knowing, and when these are over by the monotonic clock. */
  const unknown = new Map<string, number>();

  /** A wall clock that jumps must not make redlock refuse: who extends knows by the monotonic clock that it may. */
  const asLock = (value: string) => new Lock(redlock, resources, value, [], Number.MAX_SAFE_INTEGER);

  async function giveBackUnknown(): Promise<void> {
    const nowMs = clock.monotonicMs();
    for (const [value, endsAtMs] of unknown) {
      if (endsAtMs < nowMs || unknown.size > maxUnknown) unknown.delete(value);
    }
    const giving = [...unknown.keys()].map(async (value) => {
      const { attempts } = await redlock.release(asLock(value), once);
      const [stats] = await Promise.all(attempts);
      if (stats?.votesAgainst.size === 0) unknown.delete(value);
    });
    await Promise.allSettled(giving);
  }

  return {
    async acquire(withinMs) {
      await answerWithin(giveBackUnknown(), withinMs, clock).catch(() => {});
      const value = `${randomUUID()} ${identity}`;
      unknown.set(value, clock.monotonicMs() + ttlMs + withinMs);
      redlock.nextValue = value;
      const acquiring = redlock.acquire(resources, ttlMs, once);
      try {
        await answerWithin(acquiring, withinMs, clock);
        unknown.delete(value);
        return { value };
      } catch (error) {
        // An answer that is too late for the caller may still be a lock.
        acquiring.then(
          () => giveBackUnknown(),
          () => {},
        );
        if (!(error instanceof ExecutionError)) return { refusal: 'unreachable' };
        const stats = await votesOf(error);
        if (answersOf(stats).length === masters.length) unknown.delete(value);
        return { refusal: refusalOf(stats) };
      }
    },
    async extend(value) {
      try {
        await redlock.extend(asLock(value), ttlMs, once);
        return 'renewed';
      } catch (error) {
        if (!(error instanceof ExecutionError)) throw error;
        const stats = await votesOf(error);
        const answers = answersOf(stats);
        if (stats === undefined || answers.length < stats.quorumSize) throw error;
        return answers.includes(-1) ? 'taken' : 'expired';
      }
    },
    async giveBack(value) {
      await redlock.release(asLock(value), once);
    },
    giveBackUnknown,
  };
}

async function votesOf(error: ExecutionError): Promise<ExecutionStats | undefined> {
  return (await Promise.all(error.attempts))[0];
}

/** What scripts answered that did not vote for it; redlock keeps their numbers in the message of its error only. */
function answersOf(stats: ExecutionStats | undefined): number[] {
  return [...(stats?.votesAgainst.values() ?? [])]
    .filter((error) => error instanceof ResourceLockedError)
    .map((error) => Number(/applied to: (-?\d+) of/.exec(error.message)?.[1]));
}

function refusalOf(stats: ExecutionStats | undefined): QuorumRefusal {
  const answers = answersOf(stats);
  const answered = answers.length + (stats?.votesFor.size ?? 0);
  if (stats === undefined || answered < stats.quorumSize) return 'unreachable';
  return answers.includes(-2) ? 'recovering' : 'held';
}
