import { isDroverError } from 'drover';
import { Refusal } from '../shared/refusal.ts';

const retryAfterSeconds = 1;

/** What a client is told when the ports of a host are used up, or Redis gives no answer. */
export function asRefusal(error: unknown): unknown {
  if (!isDroverError(error)) return error;
  if (error.code === 'PORTS_EXHAUSTED') {
    const { host, pool, nextFreeInMs, ...usage } = error.details;
    const known = typeof nextFreeInMs === 'number' ? { retryAfterSeconds: Math.ceil(nextFreeInMs / 1000) } : {};
    return new Refusal(503, 'NO_PORTS', error.message, { host, pool, usage, nextFreeInMs, ...known });
  }
  return error.retryable ? new Refusal(503, error.code, error.message, { retryAfterSeconds }) : error;
}
