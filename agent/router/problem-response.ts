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
