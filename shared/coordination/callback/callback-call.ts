import { createHash } from 'node:crypto';

import { DroverError, type ErrorIssue } from '../../contracts/drover-error.ts';
import type { ReconcileCallback } from './callback-run.ts';

/** One delivery. */
export interface CallbackCall {
  /** Who sends: `stripe`, `paypal`. 1 to 100 of A-Z a-z 0-9 . _ - */
  readonly scope: string;
  /**
   * The sender's id of the event, the same in each delivery of it: 1 to 500 bytes. Not what the event is about: to process
   * the events of one order in order, take a lock on the order as well.
   */
  readonly key: string;
  /** The exact bytes that were delivered; its SHA-256 tells a repetition from another event under the same key. */
  readonly body: Buffer | string;
  /** Without a database: what to do about an earlier attempt that ended without a result. */
  readonly reconcile?: ReconcileCallback;
  /** How long to wait for another delivery that is being processed, to replay its answer. Default 0, at most 60 000 ms. */
  readonly waitMs?: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal;
}

const scopePattern = /^[A-Za-z0-9._-]{1,100}$/;
/** Ids of payment providers have at most 255 characters. */
const maxKeyBytes = 500;
/** Senders give up on an answer after a minute at most. */
const maxWaitMs = 60_000;

/** @throws DroverError ARGUMENT_INVALID that names each mistake */
export function checkCallbackCall({ scope, key, body, waitMs = 0 }: CallbackCall): void {
  const issues: ErrorIssue[] = [];
  if (typeof scope !== 'string' || !scopePattern.test(scope)) {
    issues.push({ path: 'scope', reason: 'is not a scope', allowed: '1 to 100 of A-Z a-z 0-9 . _ -' });
  }
  const keyBytes = typeof key === 'string' ? Buffer.byteLength(key) : 0;
  if (keyBytes === 0 || keyBytes > maxKeyBytes || key.includes('\0') || !key.isWellFormed()) {
    issues.push({ path: 'key', reason: 'is not a key', allowed: `well-formed text of 1 to ${maxKeyBytes} bytes` });
  }
  if (typeof body !== 'string' && !Buffer.isBuffer(body)) {
    issues.push({ path: 'body', reason: 'must be what was delivered, byte for byte', allowed: 'Buffer or string' });
  }
  if (!(waitMs >= 0 && waitMs <= maxWaitMs)) {
    issues.push({ path: 'waitMs', reason: 'is not a wait', allowed: `0 to ${maxWaitMs}` });
  }
  if (issues.length === 0) return;
  throw new DroverError('ARGUMENT_INVALID', 'The callback cannot be processed as it was given.', { issues });
}

export function hashBody(body: Buffer | string): string {
  return createHash('sha256').update(body).digest('hex');
}
