import { STATUS_CODES } from 'node:http';
import type { ClientResponse } from './client-response.ts';

/** Codes of the router's own answers, as in `application/problem+json` elsewhere. */
export type RouterProblemCode =
  | 'REQUEST_INVALID'
  | 'REQUEST_TIMEOUT'
  | 'ROUTE_NOT_FOUND'
  | 'SERVICE_UNAVAILABLE'
  | 'UPSTREAM_FAILED'
  | 'UPSTREAM_TIMEOUT';

export interface RouterProblem {
  readonly status: number;
  readonly code: RouterProblemCode;
  readonly detail: string;
}

/** What the router answers by itself, apart from what it says about a particular request. */
export const routerProblems = {
  noEndpoint: {
    status: 503,
    code: 'SERVICE_UNAVAILABLE',
    detail: 'The service has no healthy instance right now.',
  },
  connectFailed: {
    status: 502,
    code: 'UPSTREAM_FAILED',
    detail: 'No instance of the service could be reached.',
  },
  badResponse: {
    status: 502,
    code: 'UPSTREAM_FAILED',
    detail: 'The instance ended the connection, or sent no valid response, before it had answered.',
  },
  headTimeout: {
    status: 504,
    code: 'UPSTREAM_TIMEOUT',
    detail: 'The instance did not begin its response in time.',
  },
  bodyTimeout: {
    status: 408,
    code: 'REQUEST_TIMEOUT',
    detail: 'The body of the request did not arrive in time.',
  },

  noRoute: {
    status: 404,
    code: 'ROUTE_NOT_FOUND',
    detail: 'No service has a route for this host and path.',
  },
  requestHeadTimeout: {
    status: 408,
    code: 'REQUEST_TIMEOUT',
    detail: 'The head of the request did not arrive in time.',
  },
} satisfies Record<string, RouterProblem>;

/** Answers with a short problem document; the caller has made sure that no head was sent yet. */
export function sendProblem(response: ClientResponse, problem: RouterProblem): void {
  const reason = STATUS_CODES[problem.status] ?? '';
  const body = Buffer.from(`${JSON.stringify({ type: 'about:blank', title: reason, ...problem })}\n`);
  response.writeHead({
    status: problem.status,
    reason,
    headers: [
      ...['Content-Type', 'application/problem+json'],
      ...['Content-Length', String(body.length)],
      ...['Cache-Control', 'no-store'],
    ],
    hasDate: false,
    framing: 'length',
  });
  response.end(body);
}
