import type { RequestHead } from '../../../agent/router/request-head.ts';
import { RequestReader } from '../../../agent/router/request-reader.ts';

export interface ReadRequest {
  readonly head: RequestHead;
  readonly body: string;
  readonly trailers: string[];
}

export interface Reading {
  /** Those that came in full. */
  readonly requests: ReadRequest[];
  /** The status of the refusal that ended it; null when there was none. */
  readonly refused: number | null;
}

/** Feeds the pieces to a reader whose requests are answered as soon as they are complete; a body is held for a moment. */
export function readRequests(pieces: readonly Buffer[]): Reading {
  const requests: ReadRequest[] = [];
  let refused: number | null = null;
  let head: RequestHead | null = null;
  let body = '';
  const complete = (trailers: string[]): void => {
    if (head !== null) requests.push({ head, body, trailers });
    head = null;
    reader.next();
  };
  const options = { remoteAddress: '127.0.0.1', trustForwarded: false, maxHeaderBytes: 16 * 1024 };
  const reader = new RequestReader(options, {
    onRequest: (received) => {
      head = received;
      body = '';
      if (received.body === 'none') complete([]);
    },
    onBody: (chunk) => {
      body += chunk.toString('latin1');
      reader.hold();
    },
    onBodyEnd: complete,
    onRefused: ({ status }) => {
      refused = status;
    },
  });
  for (const piece of pieces) {
    reader.feed(piece);
    // Held at its head, and again by every piece of it.
    for (let left = -1; left !== reader.pendingBytes; reader.go()) left = reader.pendingBytes;
  }
  return { requests, refused };
}
