import { DroverError } from '../../contracts/drover-error.ts';
import type { Coordination } from '../coordination.ts';
import { answerWithin } from '../lease/hold.ts';
import { type CallbackKeys, callbackKeys } from './callback-keys.ts';
import { beginCallback, completeCallback, extendCallback, failCallback } from './callback-scripts.ts';

/** What Redis answers to the wish to process a callback. */
export type Begun =
  | {
      readonly kind: 'run';
      readonly epoch: number;
      readonly attempt: number;
      readonly takenOver: boolean;
      sentAtMs: number;
    }
  | { readonly kind: 'done'; readonly answer: string }
  | { readonly kind: 'busy' | 'recovering'; readonly retryAfterMs: number }
  | { readonly kind: 'mismatch' | 'unreconciled' };

export type Completed =
  | { readonly kind: 'completed' | 'superseded' }
  | { readonly kind: 'done'; readonly answer: string };

/** One delivery's view of the record of its callback in Redis. Each method is safe to repeat. */
export interface CallbackRecord {
  readonly keys: CallbackKeys;
  begin(mayTakeOver: boolean, graceMs: number): Promise<Begun>;
  renew(): Promise<'renewed' | 'expired' | 'taken'>;
  /** With `rowHash` the answer comes from a committed row of the database, for a body of that hash: it outranks all attempts. */
  complete(answer: string, rowHash?: string): Promise<Completed>;
  fail(how: 'failed' | 'unreconciled'): Promise<void>;
}

export interface CallbackRecordOptions {
  readonly scope: string;
  readonly key: string;
  readonly hash: string;
  /** Unique per delivery. */
  readonly token: string;
  readonly processingMs: number;
  readonly retentionMs: number;
  /** How often a question is asked before Redis counts as away. */
  readonly tries: number;
}

/** A script takes less than 1 ms; whoever waits longer than this waits for a server that is away. */
const maxAnswerMs = 1000;
/** Well within an answer, so that too few replicas are told from no answer. */
const maxReplicaMs = 500;
/** Between two tries, so that a connection that broke can be there again (it is made anew within 20 to 250 ms). */
const retryMs = 150;

/** @throws DroverError STORE_UNREACHABLE from each method when Redis gives no answer; it may have done what was asked. */
export function createCallbackRecord(coordination: Coordination, options: CallbackRecordOptions): CallbackRecord {
  const { redis, clock, identity, prefix, guard, minReplicas } = coordination;
  const { scope, key, hash, token, processingMs, retentionMs } = options;
  const keys = callbackKeys(prefix, scope, key);

  async function ask<T>(question: () => Promise<T>): Promise<T> {
    for (let tryNumber = 1; ; tryNumber++) {
      try {
        return await answerWithin(question(), maxAnswerMs, clock);
      } catch (cause) {
        if (tryNumber === options.tries || coordination.signal.aborted) {
          const message = 'Redis gives no answer about a callback. Deliver it again when Redis is back.';
          throw new DroverError('STORE_UNREACHABLE', message, { details: { scope, key }, cause });
        }
        await clock.sleep(retryMs, coordination.signal);
      }
    }
  }

  /** What too few replicas have may be lost in a failover: it is as good as unanswered, and asked again. */
  async function requireReplicas(undo?: () => Promise<unknown>): Promise<void> {
    if (minReplicas === 0) return;
    const replicas = await redis.wait(minReplicas, maxReplicaMs);
    if (replicas >= minReplicas) return;
    await undo?.();
    throw new Error(`Only ${replicas} of ${minReplicas} replicas have it`);
  }

  /** Nothing has run, so nothing is left to be reconciled. */
  const notBegun = () => failCallback.run(redis, [keys.record], [token, keys.wakeChannel, 'failed']);

  return {
    keys,
    async begin(mayTakeOver, graceMs) {
      let sentAtMs = 0;
      const reply = await ask(async () => {
        sentAtMs = clock.monotonicMs();
        const answer = await beginCallback.run(
          redis,
          [keys.record, keys.index, keys.boot],
          [token, hash, processingMs, retentionMs, key, identity, mayTakeOver ? 1 : 0, graceMs, guard],
        );
        // Without a grace there is a database, which remembers better than replicas.
        if (answer[0] === 'run' && graceMs > 0) await requireReplicas(notBegun);
        return answer;
      });
      switch (reply[0]) {
        case 'run':
          return { kind: 'run', epoch: Number(reply[1]), attempt: reply[2], takenOver: reply[3] === 1, sentAtMs };
        case 'done':
          return { kind: 'done', answer: reply[1] };
        case 'busy':
        case 'recovering':
          return { kind: reply[0], retryAfterMs: reply[1] };
        case 'mismatch':
        case 'unreconciled':
          return { kind: reply[0] };
      }
    },
    renew: () => extendCallback.run(redis, [keys.record], [token, processingMs]),
    async complete(answer, rowHash) {
      const isFromDatabase = rowHash === undefined ? 0 : 1;
      const reply = await ask(async () => {
        const completed = await completeCallback.run(
          redis,
          [keys.record, keys.index],
          [token, rowHash ?? hash, answer, retentionMs, keys.wakeChannel, key, identity, isFromDatabase],
        );
        if (completed[0] === 'completed' && rowHash === undefined) await requireReplicas();
        return completed;
      });
      return reply[0] === 'done' ? { kind: 'done', answer: reply[1] } : { kind: reply[0] };
    },
    async fail(how) {
      await ask(() => failCallback.run(redis, [keys.record], [token, keys.wakeChannel, how]));
    },
  };
}
