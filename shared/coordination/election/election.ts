import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';

import { DroverError, type ErrorIssue } from '../../contracts/drover-error.ts';
import { childAbort } from '../../runtime/child-abort.ts';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { type Logger, silentLogger } from '../../runtime/logger.ts';
import type { Coordination } from '../coordination.ts';
import type { HeldLease, LossReason } from '../lease/hold.ts';
import { createLease, type LeaseOptions, minTtlMs } from '../lease/lease.ts';
import { isLeaseName, leaseKeys } from '../lease/lease-keys.ts';
import type { WakeUps } from '../wake-ups.ts';
import { observeLeader } from './observe-leader.ts';
import { type Leader, readLeader } from './read-leader.ts';

export interface Leading {
  /**
   * Called at each election. `signal` aborts before the term can end. `assertHeld` throws LEASE_LOST when the term is
   * over, also after a pause of the whole process: call it before each write. If the returned promise rejects, or
   * resolves while the term goes on, the term is given back; no new term begins here before it has settled.
   */
  readonly onElected: (term: number, signal: AbortSignal, assertHeld: () => void) => Promise<void>;
  /** Called once for each term, when its signal has aborted. */
  readonly onLost?: (term: number, reason: LossReason) => void;
}

export interface CampaignOptions extends Leading, Pick<LeaseOptions, 'lockDelayMs' | 'minReplicas' | 'guard'> {
  /** A client of the `coord` profile. */
  readonly redis: Redis;
  /** With it a leader that leaves is followed at once, without it within the retry time. */
  readonly wakeUps?: WakeUps;
  readonly name: string;
  /** Default 3000, so that another leads within 3.5 s of a leader's sudden death. */
  readonly ttlMs?: number;
  readonly identity: string;
  readonly prefix?: string;
  /** Ends the campaign, as `close()` does. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

export interface Campaign {
  /** The term held here now, if any. */
  readonly term: number | undefined;
  /**
   * Gives the term up, if one is held here, and stands again at the end of the line once `onElected` has settled. Resolves
   * when the term is given back; may be called within `onElected`. Never throws.
   */
  resign(): Promise<void>;
  /** Gives up leadership, waits for `onElected` to settle, leaves the line, and ends. Never throws. */
  close(): Promise<void>;
}

export interface ElectionOptions {
  /** Default 3000, at least 100; the same for all that stand. Another leads within it and 0.5 s of a sudden death. */
  readonly ttlMs?: number;
  /** After a leader's end that was no resignation nobody leads for so long. Default 0; the same for all that stand. */
  readonly lockDelayMs?: number;
}

/** One name, of which at most one candidate leads. Candidates follow each other in the order in which they stood. */
export interface Election {
  /** Stands for leader until closed. @throws DroverError ARGUMENT_INVALID while a campaign of this election goes on */
  campaign(leading: Leading): Campaign;
  /** The term held here now, if any. */
  readonly term: number | undefined;
  /** Who leads, as Redis sees it; it may have changed when the caller reads it. @throws DroverError STORE_UNREACHABLE */
  leader(): Promise<Leader | null>;
  /**
   * Who leads now, then each change; terms that begin and end between two looks are not seen. Ends with `signal`, `close()`
   * or the participant, without an error. While Redis is away nothing is told.
   */
  observe(signal?: AbortSignal): AsyncIterable<Leader | null>;
  /** As of the campaign; without one it does nothing. */
  resign(): Promise<void>;
  /** Ends the campaign and all observers. Never throws. */
  close(): Promise<void>;
}

const defaultTtlMs = 3000;
/** With the ttl it bounds the failover; the jitter keeps candidates from asking in step. */
const minRetryMs = 300;
const maxRetryMs = 500;
/** As of all names; it becomes part of keys. */
const maxNameLength = 256;

/**
 * Stands for leader, leads when elected, and stands again when a term has ended, until closed. Who stands is in a line:
 * the first takes the next term, one that shows no sign of life for 1.5 s has lost its place.
 */
export function campaign(options: CampaignOptions): Campaign {
  const { name, identity, ttlMs = defaultTtlMs } = options;
  const { clock = systemClock, logger = silentLogger } = options;
  const lease = createLease({ ...options, ttlMs, candidate: `${randomUUID()} ${identity}` });
  const closing = new AbortController();
  const close = () => closing.abort();
  let wakeUp = childAbort(closing.signal);
  let current: HeldLease | undefined;

  const listening = options.wakeUps?.listen(leaseKeys(name, options.prefix).wakeChannel, (message) => {
    if (message !== 'elected') wakeUp.abort();
  });
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
      let retryMs = minRetryMs + Math.random() * (maxRetryMs - minRetryMs);
      // The end of a leader that died is told by nobody: the first in line looks then.
      if (answer.rank === 0) retryMs = Math.min(retryMs, answer.retryAfterMs + 1);
      await clock.sleep(retryMs, wakeUp.signal);
    }
    listening?.close();
    options.signal?.removeEventListener('abort', close);
    await lease.leave();
  }

  async function lead(held: HeldLease): Promise<void> {
    const giveBack = () => void held.release();
    closing.signal.addEventListener('abort', giveBack, { once: true });
    held.signal.addEventListener('abort', () => tellLost(held), { once: true });
    current = held;
    logger.info('Elected', { name, identity, term: held.epoch });
    let hasFailed = false;
    try {
      if (closing.signal.aborted) giveBack();
      else await options.onElected(held.epoch, held.signal, held.assertHeld);
    } catch (error) {
      hasFailed = !held.signal.aborted;
      if (hasFailed) logger.error('Leading failed, the term is given back', { name, term: held.epoch, error });
    }
    await held.release();
    closing.signal.removeEventListener('abort', giveBack);
    current = undefined;
    logger.info('No longer leader', { name, identity, term: held.epoch, reason: held.lossReason });
    // What fails at once would fail at once again, thousands of times a second where nobody else stands.
    if (hasFailed) await clock.sleep(minRetryMs, closing.signal);
  }

  function tellLost(held: HeldLease): void {
    try {
      options.onLost?.(held.epoch, held.lossReason ?? 'closed');
    } catch (error) {
      logger.error('onLost failed', { name, term: held.epoch, error });
    }
  }

  const finished = run();
  return {
    get term() {
      return current?.signal.aborted === false ? current.epoch : undefined;
    },
    async resign() {
      await current?.release();
    },
    async close() {
      close();
      await finished;
    },
  };
}

/**
 * An election among participants, in order. Source: protocol P1 with a line of candidates. After a crash the leader's term
 * ends with its ttl, and its place in line, if it was a candidate, after 1.5 s.
 * @throws DroverError ARGUMENT_INVALID
 */
export function createElection(coordination: Coordination, name: string, options: ElectionOptions = {}): Election {
  const { ttlMs = defaultTtlMs, lockDelayMs = 0 } = options;
  const { redis, prefix } = coordination;
  const issues = findIssues(name, ttlMs, lockDelayMs);
  if (issues.length > 0) {
    const text = issues.map(({ path, reason, allowed }) => `${path} ${reason}: ${allowed}`).join('; ');
    throw new DroverError('ARGUMENT_INVALID', `${text}.`, { issues });
  }
  const ending = childAbort(coordination.signal);
  let standing: Campaign | undefined;

  return {
    campaign(leading) {
      if (standing !== undefined || ending.signal.aborted) {
        const reason = standing === undefined ? 'is closed' : 'has a campaign already';
        const issue = { path: 'election', reason, allowed: 'one campaign at a time, before close()' };
        throw new DroverError('ARGUMENT_INVALID', `The election ${name} ${reason}.`, { issues: [issue] });
      }
      const begun = campaign({ ...coordination, ...leading, name, ttlMs, lockDelayMs, signal: ending.signal });
      const own: Campaign = {
        get term() {
          return begun.term;
        },
        resign: begun.resign,
        async close() {
          await begun.close();
          if (standing === own) standing = undefined;
        },
      };
      standing = own;
      return own;
    },
    get term() {
      return standing?.term;
    },
    async leader() {
      try {
        return await readLeader(redis, name, prefix, lockDelayMs);
      } catch (error) {
        const message = `Redis gave no answer about the leader of ${name}. Ask again when it is back.`;
        throw new DroverError('STORE_UNREACHABLE', message, { cause: error });
      }
    },
    observe(signal) {
      return observeLeader(coordination, { name, ttlMs, lockDelayMs, closing: ending.signal, signal });
    },
    async resign() {
      await standing?.resign();
    },
    async close() {
      ending.abort();
      await standing?.close();
    },
  };
}

function findIssues(name: unknown, ttlMs: number, lockDelayMs: number): ErrorIssue[] {
  const issues: ErrorIssue[] = [];
  if (typeof name !== 'string' || name.length === 0 || name.length > maxNameLength || !isLeaseName(name))
    issues.push({
      path: 'name',
      reason: 'is no name',
      allowed: `1 to ${maxNameLength} characters of well-formed text, no :epoch or :wake at the end`,
    });
  if (!(ttlMs >= minTtlMs && Number.isFinite(ttlMs)))
    issues.push({ path: 'ttlMs', reason: 'is too short', allowed: `at least ${minTtlMs}` });
  if (!(lockDelayMs >= 0 && Number.isFinite(lockDelayMs)))
    issues.push({ path: 'lockDelayMs', reason: 'is no length of time', allowed: 'at least 0' });
  return issues;
}
