import { isDroverError } from 'drover';
import { Refusal } from '../shared/refusal.ts';

/** Of the disk, or of the quota. What was begun is gone again by the time that this is said. */
const fullCodes = new Set(['ENOSPC', 'EDQUOT']);
const retryAfterSeconds = 2;

/** What a client is told of a failure of what this service stands on: the store, Redis, and locks that others hold. */
export function asRefusal(error: Error & { code?: unknown; errno?: unknown }): Error {
  if (isDroverError(error)) {
    return error.retryable ? new Refusal(503, error.code, error.message, { retryAfterSeconds }) : error;
  }
  if (fullCodes.has(String(error.code))) {
    console.error(`The store is full: ${error.message}`);
    return new Refusal(507, 'STORE_FULL', 'There is no room for this. Nothing of it was kept.');
  }
  // Errors of the system have a number, and those of S3 what it answered; if it hangs up, its SDK says that it was late.
  if (error.errno === undefined && !('$metadata' in error) && error.name !== 'TimeoutError') return error;
  console.error(`The store failed: ${error.stack}`);
  return new Refusal(503, 'STORE_FAILED', 'The store did not answer as it should. Try again.', { retryAfterSeconds });
}
