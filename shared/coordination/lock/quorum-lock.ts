import { DroverError } from '../../contracts/drover-error.ts';
import { connectRedis, type RedisConnection } from '../../redis/connect.ts';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { type Logger, silentLogger } from '../../runtime/logger.ts';
import { defaultServicesPrefix } from '../coordination.ts';
import { answerTimeoutMs, answerWithin, hold } from '../lease/hold.ts';
import { lockKeys } from './lock-keys.ts';
import { takeQuorumEpoch } from './quorum-epoch.ts';
import { createQuorumVotes, type QuorumRefusal, type QuorumVotes } from './quorum-votes.ts';

export interface QuorumLocksOptions {
  /** Of 1, 3 or 5 masters that know nothing of each other: no replicas, no Sentinels. An even number can split for ever. */
  readonly urls: readonly string[];
  /** Who asks, for people: `host/instance`. No secrets. */
  readonly identity: string;
  readonly prefix?: string;
  /** The shortest ttl of its locks in ms, at least 500, default 2000: a twelfth of it is what a master has to answer in. */
  readonly minTtlMs?: number;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

export interface QuorumLockOptions {
  /** Default 10,000; at least `minTtlMs`. All that contend for one name should use the same. */
  readonly ttlMs?: number;
  /** How long to try for, default 30,000. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Locks by a majority of independent masters (redlock, one try at a time): they stay available when a minority is gone.
 * They are slower than locks of one Redis and not fair, since waiters ask again at random times. What several
 * masters cannot give: exclusion when masters lose data in a power cut (an empty master does not vote for one ttl; one
 * that came back with old data does) or when clocks of a majority jump. Show the token to what you write to.
 */
export interface QuorumLocks {
  /** Resolves once a majority of the masters is connected. Rejects with the signal's reason when it aborts first. */
  ready(signal?: AbortSignal): Promise<void>;
  /**
   * @throws DroverError LOCK_TIMEOUT when others held it for `waitMs`, STORE_UNREACHABLE when too few masters answered,
   *   ARGUMENT_INVALID; the signal's reason when it aborts. None of them leaves anything behind that outlives its ttl.
   */
  lock(name: string, options?: QuorumLockOptions): Promise<QuorumLock>;
  /** Runs `body` while the lock is held. An error of the body is rethrown as it is, whatever becomes of the release. */
  withLock<T>(name: string, options: QuorumLockOptions, body: (lock: QuorumLock) => Promise<T>): Promise<T>;
  /** Releases what is held, then ends the connections. Never throws. */
  close(): Promise<void>;
}

export interface QuorumLock extends AsyncDisposable {
  readonly name: string;
  /** The fencing token: above every earlier one while no majority of masters has lost its data. */
  readonly token: number;
  readonly signal: AbortSignal;
  readonly lossReason: ReturnType<typeof hold>['lossReason'];
  /** @throws DroverError LEASE_LOST */
  assert(): void;
  /** Never throws: what cannot be given back expires. */
  release(): Promise<void>;
}

const defaultMinTtlMs = 2000;
/** A twelfth of less is too little for a master that is merely busy. */
const lowestMinTtlMs = 500;
const defaultTtlMs = 10_000;
const defaultWaitMs = 30_000;
/** Bounds of the pause between two tries: random, so that waiters do not split the votes again and again. */
const minPauseMs = 20;
const maxPauseMs = 120;
const maxNameLength = 256;

export function createQuorumLocks(options: QuorumLocksOptions): QuorumLocks {
  const { urls, identity, prefix = defaultServicesPrefix, minTtlMs = defaultMinTtlMs } = options;
  const { clock = systemClock, logger = silentLogger } = options;
  if (![1, 3, 5].includes(urls.length))
    throw invalid('urls', 'names a number of masters that cannot vote', '1, 3 or 5');
  if (!(minTtlMs >= lowestMinTtlMs)) throw invalid('minTtlMs', 'is too short', `at least ${lowestMinTtlMs} ms`);
  const connections = urls.map((url) => openMaster(url, minTtlMs, logger));
  const masters = connections.map(({ client }) => client);
  const held = new Set<QuorumLock>();
  const underWay = new Set<Promise<QuorumLock>>();
  const closing = new AbortController();

  async function tryOnce(votes: QuorumVotes, wanted: Wanted): Promise<QuorumLock | QuorumRefusal> {
    const { name, ttlMs, withinMs } = wanted;
    const startedAtMs = clock.monotonicMs();
    const answer = await votes.acquire(withinMs);
    if ('refusal' in answer) return answer.refusal;
    const { value } = answer;
    try {
      const restMs = startedAtMs + 3 * withinMs - clock.monotonicMs();
      const epoch = await answerWithin(takeQuorumEpoch(masters, lockKeys(prefix).quorumEpoch), restMs, clock);
      if (clock.monotonicMs() - startedAtMs > ttlMs / 2) throw new Error('Too little of the ttl was left');
      return keep(votes, { name, value, ttlMs, epoch, sentAtMs: startedAtMs });
    } catch (error) {
      logger.debug('A quorum lock was won and could not be used', { lock: name, error });
      await answerWithin(votes.giveBack(value), answerTimeoutMs(ttlMs), clock).catch(() => {});
      return 'unreachable';
    }
  }

  function keep(votes: QuorumVotes, won: Won): QuorumLock {
    const lease = hold({
      what: `quorum lock ${won.name}`,
      epoch: won.epoch,
      ttlMs: won.ttlMs,
      sentAtMs: won.sentAtMs,
      renew: () => votes.extend(won.value),
      giveBack: () => votes.giveBack(won.value),
      clock,
      logger,
    });
    const lock: QuorumLock = {
      name: won.name,
      token: won.epoch,
      signal: lease.signal,
      get lossReason() {
        return lease.lossReason;
      },
      assert: () => lease.assertHeld(),
      async release() {
        held.delete(lock);
        await lease.release();
      },
      [Symbol.asyncDispose]: () => lock.release(),
    };
    held.add(lock);
    return lock;
  }

  async function lock(name: string, wanted: QuorumLockOptions = {}): Promise<QuorumLock> {
    const { ttlMs = defaultTtlMs, waitMs = defaultWaitMs, signal } = wanted;
    check(name, ttlMs, waitMs, minTtlMs);
    const votes = createQuorumVotes({ masters, prefix, name, ttlMs, identity, clock });
    const giveUpAtMs = clock.monotonicMs() + waitMs;
    let refusal: QuorumRefusal = 'unreachable';
    const isOver = () => signal?.aborted === true || closing.signal.aborted;
    do {
      if (isOver()) break;
      // Three of these make a try: half a ttl at most, so that at least the other half is left when it succeeds.
      const withinMs = Math.max(minPauseMs, Math.min(ttlMs / 6, (giveUpAtMs - clock.monotonicMs()) / 3));
      const answer = await tryOnce(votes, { name, ttlMs, withinMs });
      if (typeof answer !== 'string') {
        if (!isOver()) return answer;
        await answer.release();
      } else {
        refusal = answer;
        const pauseMs = minPauseMs + Math.random() * (maxPauseMs - minPauseMs);
        await clock.sleep(Math.max(0, Math.min(pauseMs, giveUpAtMs - clock.monotonicMs())), signal);
      }
    } while (clock.monotonicMs() < giveUpAtMs);
    const givingBack = votes.giveBackUnknown();
    signal?.throwIfAborted();
    // The connections go next.
    if (closing.signal.aborted) await givingBack;
    closing.signal.throwIfAborted();
    throw notLocked(name, waitMs, refusal);
  }

  async function lockUnlessClosed(name: string, wanted?: QuorumLockOptions): Promise<QuorumLock> {
    const asking = lock(name, wanted);
    underWay.add(asking);
    try {
      return await asking;
    } finally {
      underWay.delete(asking);
    }
  }

  return {
    async ready(signal) {
      await majorityReady(connections, signal);
    },
    lock: lockUnlessClosed,
    async withLock(name, wanted, body) {
      const won = await lockUnlessClosed(name, wanted);
      try {
        return await body(won);
      } finally {
        await won.release();
      }
    },
    async close() {
      closing.abort(new DroverError('STORE_UNREACHABLE', 'The quorum locks were closed.'));
      // Each gives back what it has won meanwhile, for which the connections are needed.
      await Promise.allSettled([...underWay]);
      await Promise.all([...held].map((each) => each.release()));
      await Promise.all(connections.map((connection) => connection.close()));
    },
  };
}

interface Wanted {
  readonly name: string;
  readonly ttlMs: number;
  /** For each of the three steps of a try: tidying up, voting, the epoch. */
  readonly withinMs: number;
}

interface Won {
  readonly name: string;
  readonly value: string;
  readonly ttlMs: number;
  readonly epoch: number;
  readonly sentAtMs: number;
}

/** A client that only votes: a frozen master is given up before it costs the others the lock. */
function openMaster(url: string, minTtlMs: number, logger: Logger): RedisConnection {
  const connection = connectRedis(url, 'coord', { logger });
  // Read anew for each command. A try is several round trips, and all of them must fit into half a ttl.
  connection.client.options.commandTimeout = Math.floor(minTtlMs / 12);
  return connection;
}

async function majorityReady(connections: readonly RedisConnection[], signal?: AbortSignal): Promise<void> {
  const quorum = Math.floor(connections.length / 2) + 1;
  const enough = Promise.withResolvers<void>();
  let isReady = 0;
  for (const connection of connections) {
    connection.ready(signal).then(
      () => {
        isReady += 1;
        if (isReady === quorum) enough.resolve();
      },
      (error: unknown) => enough.reject(error),
    );
  }
  await enough.promise;
}

function notLocked(name: string, waitMs: number, refusal: QuorumRefusal): DroverError {
  const details = { name, waitMs, reason: refusal };
  if (refusal === 'unreachable') {
    const message = `The lock ${name} could not be had: too few of the masters answered within ${waitMs} ms.`;
    return new DroverError('STORE_UNREACHABLE', message, { details });
  }
  const why = refusal === 'held' ? 'others held it' : 'masters that lost their data did not vote yet';
  return new DroverError('LOCK_TIMEOUT', `The lock ${name} was not to be had within ${waitMs} ms: ${why}.`, {
    details,
  });
}

function check(name: string, ttlMs: number, waitMs: number, minTtlMs: number): void {
  if (typeof name !== 'string' || name.length === 0 || name.length > maxNameLength || !name.isWellFormed()) {
    throw invalid('name', 'is no name of a lock', `1 to ${maxNameLength} characters of well-formed text`);
  }
  if (!Number.isSafeInteger(ttlMs) || ttlMs < minTtlMs) {
    throw invalid('ttlMs', 'is no ttl', `an integer from ${minTtlMs}`);
  }
  if (!(waitMs >= 0 && waitMs < Number.POSITIVE_INFINITY)) throw invalid('waitMs', 'is no time', '0 or more');
}

function invalid(path: string, reason: string, allowed: string): DroverError {
  return new DroverError('ARGUMENT_INVALID', `${path} ${reason}: ${allowed}.`, { issues: [{ path, reason, allowed }] });
}
