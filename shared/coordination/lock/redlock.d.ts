// The package's own types cannot be resolved through its exports. Only what quorum-votes.ts uses is declared.
declare module 'redlock' {
  import type { Redis } from 'ioredis';

  export interface ExecutionStats {
    readonly quorumSize: number;
    readonly votesFor: ReadonlySet<Redis>;
    readonly votesAgainst: ReadonlyMap<Redis, Error>;
  }

  export interface ExecutionResult {
    readonly attempts: readonly Promise<ExecutionStats>[];
  }

  /** The script answered, and not with the number of its keys. */
  export class ResourceLockedError extends Error {}

  /** No quorum voted for it. */
  export class ExecutionError extends Error implements ExecutionResult {
    readonly attempts: readonly Promise<ExecutionStats>[];
  }

  export class Lock {
    readonly value: string;
    /** By the wall clock; `extend` refuses what it believes to be over. */
    expiration: number;
    constructor(
      redlock: Redlock,
      resources: readonly string[],
      value: string,
      attempts: readonly Promise<ExecutionStats>[],
      expiration: number,
    );
  }

  export default class Redlock {
    constructor(
      clients: Iterable<Redis>,
      settings: { readonly retryCount: number },
      scripts: Readonly<Record<'acquireScript' | 'extendScript' | 'releaseScript', (text: string) => string>>,
    );
    /** The value of the next lock; called before anything is waited for. Private in the package's own types. */
    protected _random(): string;
    acquire(resources: readonly string[], ttlMs: number, settings?: { readonly retryCount: number }): Promise<Lock>;
    extend(lock: Lock, ttlMs: number, settings?: { readonly retryCount: number }): Promise<Lock>;
    release(lock: Lock, settings?: { readonly retryCount: number }): Promise<ExecutionResult>;
  }
}
