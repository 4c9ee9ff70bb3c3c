import { DroverError } from '../../contracts/drover-error.ts';
import type { Coordination } from '../coordination.ts';
import { type CallbackAnswer, decodeAnswer } from './callback-answer.ts';
import { callbackKeys } from './callback-keys.ts';

/** `unreconciled`: an attempt ended without a result, and nobody has found out yet what it did. */
export type CallbackState = 'in-progress' | 'unreconciled' | 'failed' | 'done';

/** What Redis knows of a callback, for people and observers. Instants in ms of the server's clock. */
export interface CallbackView {
  readonly scope: string;
  readonly key: string;
  readonly state: CallbackState;
  /** Who processes it, or did so last. */
  readonly identity: string;
  readonly attempt: number;
  readonly bodyHash: string;
  readonly beganAt: number;
  /** When the attempt in progress counts as dead, if it is not prolonged. */
  readonly deadlineAt?: number;
  readonly endedAt?: number;
  readonly status?: number;
}

export interface ListCallbacksOptions {
  readonly scope: string;
  /** 1 to 1000, default 100. */
  readonly limit?: number;
  readonly state?: CallbackState;
}

export interface CallbackViews {
  /** The newest first. With `state` it looks through the newest 10 000 of the scope only. Rejects while Redis is away. */
  list(options: ListCallbacksOptions): Promise<readonly CallbackView[]>;
  /** One callback, with its answer when it is done. @throws DroverError CALLBACK_NOT_FOUND */
  read(scope: string, key: string): Promise<CallbackView & { readonly answer?: CallbackAnswer }>;
}

const defaultLimit = 100;
const maxLimit = 1000;
/** Records read in one round trip: a few hundred KB at most. */
const pageSize = 200;
const maxLookedAt = 10_000;
const fields = ['state', 'hash', 'identity', 'attempt', 'beganAt', 'deadlineAt', 'endedAt', 'answer'] as const;

export function createCallbackViews({ redis, prefix }: Pick<Coordination, 'redis' | 'prefix'>): CallbackViews {
  async function nowMs(): Promise<number> {
    const [seconds, micros] = await redis.time();
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }

  return {
    async list({ scope, limit = defaultLimit, state }) {
      if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit) {
        const issues = [{ path: 'limit', reason: 'is out of range', allowed: `1 to ${maxLimit}` }];
        throw new DroverError('ARGUMENT_INVALID', `Callbacks cannot be listed with limit ${limit}.`, { issues });
      }
      const { index } = callbackKeys(prefix, scope, '');
      const now = await nowMs();
      const found: CallbackView[] = [];
      for (let from = 0; from < maxLookedAt && found.length < limit; from += pageSize) {
        const keys = await redis.zrevrange(index, from, from + pageSize - 1);
        if (keys.length === 0) break;
        const reads = redis.pipeline();
        for (const key of keys) reads.hmget(callbackKeys(prefix, scope, key).record, ...fields);
        for (const [at, [error, values]] of ((await reads.exec()) ?? []).entries()) {
          if (error) throw error;
          const view = toView(scope, keys[at]!, values as (string | null)[], now);
          if (view !== undefined && (state === undefined || view.state === state)) found.push(view);
        }
      }
      return found.slice(0, limit);
    },
    async read(scope, key) {
      const values = await redis.hmget(callbackKeys(prefix, scope, key).record, ...fields);
      const view = toView(scope, key, values, await nowMs());
      if (view === undefined) {
        const message = `There is no callback ${key} of ${scope}. It never came, or its retention is over.`;
        throw new DroverError('CALLBACK_NOT_FOUND', message, { details: { scope, key } });
      }
      const answer = values.at(-1);
      return answer ? { ...view, answer: decodeAnswer(answer) } : view;
    },
  };
}

function toView(scope: string, key: string, values: (string | null)[], now: number): CallbackView | undefined {
  const [stored, bodyHash, identity, attempt, beganAt, deadlineAt, endedAt, answer] = values;
  if (!stored) return undefined;
  const isOpen = stored === 'in-progress';
  const isOver = isOpen && Number(deadlineAt) <= now;
  return {
    ...{ scope, key, bodyHash: bodyHash ?? '', identity: identity ?? '' },
    state: isOver ? 'unreconciled' : (stored as CallbackState),
    attempt: Number(attempt),
    beganAt: Number(beganAt),
    ...(isOpen && !isOver ? { deadlineAt: Number(deadlineAt) } : {}),
    ...(endedAt ? { endedAt: Number(endedAt) } : {}),
    ...(answer ? { status: decodeAnswer(answer).status } : {}),
  };
}
