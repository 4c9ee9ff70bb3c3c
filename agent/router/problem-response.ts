import { type ServerResponse, STATUS_CODES } from 'node:http';

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
  noConnect: { status: 405, code: 'REQUEST_INVALID', detail: 'CONNECT is not supported.' },
  badUpgrade: {
    status: 400,
    code: 'REQUEST_INVALID',
    detail: 'The only protocol to upgrade to is websocket, by a GET without a body.',
  },
  badRequest: {
    status: 400,
    code: 'REQUEST_INVALID',
    detail: 'The request is not valid HTTP/1.1.',
  },
} satisfies Record<string, RouterProblem>;

/** Answers with a short problem document; the caller has made sure that no head was sent yet. */
export function sendProblem(response: ServerResponse, problem: RouterProblem): void {
  const body = problemBody(problem);
  response.writeHead(problem.status, {
    'Content-Type': 'application/problem+json',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  });
  response.end(body);
}

/** The same answer as bytes for a raw connection, which has to be closed after it. */
export function problemBytes(problem: RouterProblem): string {
  const body = problemBody(problem);
  return (
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nContent-Type: application/problem+json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n${body}`
  );
}

function problemBody(problem: RouterProblem): string {
  return `${JSON.stringify({ type: 'about:blank', title: STATUS_CODES[problem.status], ...problem })}\n`;
}
