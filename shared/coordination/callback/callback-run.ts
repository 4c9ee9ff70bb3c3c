import type { SqlExecutor } from '../sql.ts';
import type { CallbackResponse } from './callback-answer.ts';

/** One attempt to process a callback. */
export interface CallbackRun {
  readonly scope: string;
  readonly key: string;
  /**
   * Fencing token: higher for each attempt of the callback, also after Redis lost its data. 0 while Redis is away, when the
   * row in the database alone keeps attempts apart.
   */
  readonly token: number;
  /** 1 for the first attempt that Redis knows of. */
  readonly attempt: number;
  /** An earlier attempt ended without a result: its process died, or did not answer in time. */
  readonly takenOver: boolean;
  /** Aborts before another attempt may begin: stop what has not taken effect yet. Reason LEASE_LOST. */
  readonly signal: AbortSignal;
  /** Call before each effect outside of the transaction. @throws DroverError LEASE_LOST when another attempt may have begun */
  assert(): void;
  /** With a database only: what is written by it takes effect together with the record of the callback, or not at all. */
  readonly transaction?: SqlExecutor;
}

/**
 * Processes a callback. What it throws is rethrown to the caller, nothing is stored, and the next delivery runs it again:
 * a handler that throws must have left no effect (with a database its transaction is rolled back for it).
 */
export type CallbackHandler = (
  run: CallbackRun,
) => CallbackResponse | undefined | Promise<CallbackResponse | undefined>;

/**
 * Finds out what an attempt that ended without a result has done, by asking where the effect would be: the ledger, the
 * payment provider. The earlier attempt may still be alive and late: first make it harmless (raise the fence to `run.token`
 * where the effect happens), then look. `not-applied` lets the handler run. What it throws is rethrown, and the question
 * stays open.
 */
export type ReconcileCallback = (
  run: CallbackRun,
) => Promise<{ readonly done: CallbackResponse } | 'not-applied'> | { readonly done: CallbackResponse } | 'not-applied';
