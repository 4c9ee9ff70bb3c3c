import { DroverError } from '../../contracts/drover-error.ts';
import type { Coordination } from '../coordination.ts';
import { answerTimeoutMs, answerWithin } from '../lease/hold.ts';
import { checkName, checkTimes } from './check-lock.ts';
import { createLine } from './line.ts';
import { acquireLock, releaseLock, renewLock } from './lock-scripts.ts';

export interface RemoteLock {
  readonly name: string;
  /** The holder's secret, without spaces; the same again finds again what it has. */
  readonly holder: string;
}

export interface RemoteLockRequest extends RemoteLock {
  readonly identity: string;
  readonly ttlMs: number;
  readonly waitMs: number;
  readonly signal?: AbortSignal;
}

/** Locks for holders that speak through someone else, as services over HTTP do. They renew by themselves. */
export interface RemoteLocks {
  /** @returns the token @throws DroverError LOCK_TIMEOUT, STORE_UNREACHABLE, ARGUMENT_INVALID; the signal's reason */
  acquire(request: RemoteLockRequest): Promise<number>;
  /** @returns the token @throws DroverError LEASE_LOST, STORE_UNREACHABLE */
  renew(lock: RemoteLock, ttlMs: number): Promise<number>;
  /** Gives it back, or leaves the line; once more does no harm. @throws DroverError STORE_UNREACHABLE */
  release(lock: RemoteLock): Promise<void>;
}

const answerMs = 1000;

export function createRemoteLocks(coordination: Coordination): RemoteLocks {
  const { redis, prefix, guard, participantId, clock } = coordination;
  const line = createLine(coordination);

  async function ask<T>(name: string, answer: Promise<T>, withinMs = answerMs): Promise<T> {
    try {
      return await answerWithin(answer, withinMs, clock);
    } catch (cause) {
      const message = `Redis did not answer about the lock ${name}. Ask again with the same holder.`;
      throw new DroverError('STORE_UNREACHABLE', message, { cause });
    }
  }

  return {
    async acquire({ name, holder, identity, ttlMs, waitMs, signal }) {
      checkName(name);
      checkTimes({ ttlMs, waitMs, lockDelayMs: 0 });
      let ticket = '';
      const place = {
        ...{ what: `lock ${name}`, holder, ttlMs, waitMs, signal },
        async ask(keptMs: number) {
          const args = [identity, participantId, Math.ceil(ttlMs), keptMs, ticket, name] as const;
          const reply = await acquireLock.run(redis, [], [prefix, guard, holder, ...args]);
          if (reply[0] === 'queued') ticket = reply[2];
          return reply;
        },
        leave: () => releaseLock.run(redis, [], [prefix, guard, holder, '1', name]),
      };
      return (await line.stand(place)).epoch;
    },
    async renew({ name, holder }, ttlMs) {
      const renewing = renewLock.run(redis, [], [prefix, guard, holder, Math.ceil(ttlMs), checkName(name)]);
      const [reply, token] = await ask(name, line.renew(renewing, ttlMs), Math.max(answerMs, answerTimeoutMs(ttlMs)));
      if (reply === 'renewed') return Number(token);
      const message = `The lock ${name} is not the caller's any more: ${reply}. Stop what it allowed.`;
      throw new DroverError('LEASE_LOST', message, { details: { what: `lock ${name}`, reason: reply } });
    },
    async release({ name, holder }) {
      await ask(name, releaseLock.run(redis, [], [prefix, guard, holder, '1', checkName(name)]));
    },
  };
}
