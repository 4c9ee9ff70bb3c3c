import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { DroverError, isDroverError } from '../../contracts/drover-error.ts';
import type { Keys } from '../keys.ts';

/** Where the leader's election keeps its lease and its epoch. A script compares the term with these. */
export interface LeaseKeys {
  readonly lease: string;
  readonly epoch: string;
}

/** What the aggregates share: the connection, the keys, and the one way to ask. */
export interface StoreContext {
  readonly keys: Keys;
  readonly leaseKeys: LeaseKeys;
  readonly nowMs: () => number;
  readonly newId: () => string;
  /** Connections to Redis so far. A server that took over, or restarted, may lack what was read over an earlier one. */
  readonly connections: () => number;
  /**
   * Runs commands against Redis. @throws STORE_UNREACHABLE when there is no answer within `timeoutMs` (default: the
   * store's command time-out), LEASE_LOST when a script refused the term, INTERNAL for any other refusal.
   */
  ask<T>(operation: string, run: (redis: Redis) => Promise<T>, timeoutMs?: number): Promise<T>;
}

export interface StoreContextOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly leaseKeys: LeaseKeys;
  readonly commandTimeoutMs: number;
}

export function createStoreContext({ redis, keys, leaseKeys, commandTimeoutMs }: StoreContextOptions): StoreContext {
  let connections = 0;
  redis.on('ready', () => {
    connections += 1;
  });
  return {
    keys,
    leaseKeys,
    nowMs: () => Date.now(),
    newId: () => randomBytes(8).toString('hex'),
    connections: () => connections,
    async ask(operation, run, timeoutMs = commandTimeoutMs) {
      let timer: NodeJS.Timeout | undefined;
      const timeout = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`No answer within ${timeoutMs} ms`)), timeoutMs);
      });
      try {
        return await Promise.race([run(redis), timeout]);
      } catch (error) {
        throw translate(operation, error);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** Refusals of a server that is there but cannot serve now: starting, a replica after a failover, out of memory or disk. */
const unavailable =
  /^(LOADING|READONLY|MASTERDOWN|NOREPLICAS|CLUSTERDOWN|TRYAGAIN|BUSY|OOM|MISCONF|UNKILLABLE|EXECABORT|NOAUTH|WRONGPASS)\b/;

function translate(operation: string, error: unknown): DroverError {
  if (isDroverError(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (message.startsWith('LEASE_LOST')) {
    return new DroverError('LEASE_LOST', `Not leader any more, so this was refused: ${operation}.`, { cause: error });
  }
  const refused = error instanceof Error && error.name === 'ReplyError';
  if (refused && !unavailable.test(message)) {
    return new DroverError('INTERNAL', `Redis refused to ${operation}: ${message}`, { cause: error });
  }
  return new DroverError(
    'STORE_UNREACHABLE',
    `Redis did not answer (${operation}: ${message}). Workers and routes go on; try again when it is back.`,
    { cause: error },
  );
}
