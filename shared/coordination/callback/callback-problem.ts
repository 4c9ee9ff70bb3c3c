import { type DroverError, isDroverError } from '../../contracts/drover-error.ts';
import { toProblem } from '../../contracts/problem.ts';

/** An answer of HTTP to a delivery that was not processed, as application/problem+json. */
export interface CallbackProblem {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Where it is not known how long the cause lasts. Senders wait longer than this by themselves. */
const defaultRetryAfterMs = 5000;

/**
 * What a sender is told: 409 while the same delivery is in progress and 503 while it cannot be decided, both with Retry-After,
 * 422 for another body. Undefined for an error that is not of ours: it is the application's to answer.
 */
export function toCallbackProblem(error: unknown): CallbackProblem | undefined {
  if (!isDroverError(error)) return undefined;
  const headers: Record<string, string> = { 'content-type': 'application/problem+json' };
  if (error.retryable) headers['retry-after'] = String(Math.max(1, Math.ceil(retryAfterMs(error) / 1000)));
  return { status: error.status, headers, body: Buffer.from(JSON.stringify(toProblem(error))) };
}

function retryAfterMs({ details }: DroverError): number {
  return typeof details.retryAfterMs === 'number' ? details.retryAfterMs : defaultRetryAfterMs;
}
