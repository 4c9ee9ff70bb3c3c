import { Refusal } from '../shared/refusal.ts';

/** There was no connection, so the service knows nothing of the request. */
const notReached = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'UND_ERR_CONNECT_TIMEOUT']);
const brokenConnection = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);
const tookTooLong = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'FST_REPLY_FROM_TIMEOUT', 'ETIMEDOUT']);

/** What a client is told when a service did not answer: whether to ask again is another question in each case. */
export function upstreamFailure(service: string, error: unknown): Refusal {
  const code = codeOf(error);
  console.error(`${service}: ${code} ${(error as Error).message}`);
  if (notReached.has(code)) return notAvailable(service);
  if (tookTooLong.has(code)) {
    return new Refusal(504, 'UPSTREAM_TIMEOUT', `${service} did not answer in time; it may have done it.`, { service });
  }
  return new Refusal(502, 'UPSTREAM_BROKE_OFF', `${service} broke off before it answered; it may have done it.`, {
    service,
  });
}

export function notAvailable(service: string): Refusal {
  return new Refusal(503, 'SERVICE_UNAVAILABLE', `${service} cannot be reached; nothing was done. Try again soon.`, {
    service,
    retryAfterSeconds: 1,
  });
}

/**
 * Requests that change nothing may be sent a second time, once, where the connection failed; no other is. `error` is null
 * when the service has answered, whatever it said.
 */
export function isWorthAnotherTry(method: string | undefined, error: unknown, attempt: number): boolean {
  if (error === null || error === undefined || attempt > 0) return false;
  const code = codeOf(error);
  return (method === 'GET' || method === 'HEAD') && (notReached.has(code) || brokenConnection.has(code));
}

/** The errors of the proxy wrap those of the connection. */
function codeOf(error: unknown): string {
  const { cause, code } = error as { cause?: { code?: string }; code?: string };
  return cause?.code ?? code ?? 'UNKNOWN';
}
