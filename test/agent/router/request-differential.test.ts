import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { type ReadRequest, readRequests } from './read-requests.ts';

/*
 * Node's own parser (llhttp, strict) is the reference: what it refuses must be refused here, and what passes here must be for a
 * Node worker what it was for the router: as the client sent it, and as the router writes it.
 */

interface Seen {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly body: string;
}

/** A server that has not closed after so many looks at it waits for more. A process that was held up meanwhile has made one. */
const looks = 20;
const lookEachMs = 50;

const server = createServer({ insecureHTTPParser: false, requireHostHeader: true });
const seenBy = new Map<number, Seen[]>();

function record(request: IncomingMessage, response: ServerResponse): void {
  const seen = seenBy.get(request.socket.remotePort ?? 0);
  let body = '';
  request.setEncoding('latin1');
  request.on('data', (chunk: string) => {
    body += chunk;
  });
  request.on('error', () => {});
  request.on('end', () => {
    const { method = '', url = '', headers } = request;
    seen?.push({ method, target: url, host: headers.host ?? '', body });
    response.end();
  });
}

before(async () => {
  server.on('request', record).on('checkContinue', record).on('checkExpectation', record);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
after(() => {
  server.close();
  server.closeAllConnections();
});

/** What a Node server takes these bytes for: the requests that came in full. */
async function readByNode(bytes: Buffer): Promise<Seen[]> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  const seen: Seen[] = [];
  const port = socket.localPort ?? 0;
  seenBy.set(port, seen);
  socket.resume();
  socket.on('error', () => {});
  // The server answers a request at the end that is always valid, or refuses something before it, and closes; unless it still
  // waits for the rest of a body that has swallowed that request.
  socket.write(Buffer.concat([bytes, lastRequest]));
  let left = looks;
  const looking = setInterval(() => {
    left -= 1;
    if (left === 0) socket.destroy();
  }, lookEachMs);
  await once(socket, 'close');
  clearInterval(looking);
  seenBy.delete(port);
  return seen;
}

const lastRequest = Buffer.from('GET /last HTTP/1.1\r\nHost: last\r\nConnection: close\r\n\r\n');

/** The requests that the router takes, up to the first after which it reads no further on this connection. */
function taken(bytes: Buffer): ReadRequest[] {
  const { requests } = readRequests([Buffer.concat([bytes, lastRequest])]);
  const end = requests.findIndex(({ head }) => !head.keepAlive || head.upgrade);
  return end === -1 ? requests : requests.slice(0, end + 1);
}

function forwarded({ head, body }: ReadRequest): Buffer {
  const framed = head.body === 'chunked' ? `${chunk(body)}0\r\n\r\n` : body;
  return Buffer.from(head.text + framed, 'latin1');
}

const chunk = (body: string): string => (body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`);

async function assertSameReading(bytes: Buffer): Promise<void> {
  const ours = taken(bytes);
  const message = JSON.stringify(bytes.toString('latin1'));
  const byNode = ours.length === 0 ? [] : await readByNode(bytes);
  for (const [i, { head, body }] of ours.entries()) {
    const seen = byNode[i];
    assert.ok(seen, `Node refuses request ${i} of ${message}`);
    const inOriginForm = seen.target.replace(/^http:\/\/[^/]+\/?/i, '/');
    assert.deepEqual([head.method, head.path, body], [seen.method, inOriginForm, seen.body], message);
    if (inOriginForm === seen.target) assert.ok(head.text.includes(`\r\nHost: ${seen.host}\r\n`), message);
    const atWorker = await readByNode(forwarded(ours[i]!));
    assert.deepEqual(
      [atWorker[0]?.method, atWorker[0]?.target, atWorker[0]?.body],
      [head.method, head.path, body],
      message,
    );
    // An upgrade or an end of the connection leaves the bytes behind it to nobody.
    if (head.keepAlive && !head.upgrade)
      assert.deepEqual(
        atWorker.slice(1).map(({ target }) => target),
        ['/last'],
        message,
      );
  }
}

/** Mostly what passes, so that several oddities meet in one request that does. */
const oneOf = (usual: readonly string[], odd: readonly string[]) =>
  fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...usual) }, { weight: 1, arbitrary: fc.constantFrom(...odd) });

const line = oneOf(
  [
    'GET / HTTP/1.1',
    'POST /a?b=c HTTP/1.1',
    'POST /p HTTP/1.1',
    'PUT /p HTTP/1.0',
    'HEAD / HTTP/1.1',
    'OPTIONS * HTTP/1.1',
    'GET http://y:81/z HTTP/1.1',
    'GET //x HTTP/1.1',
    'M-SEARCH / HTTP/1.1',
  ],
  ['GET /a b HTTP/1.1', 'get / HTTP/1.1', 'GET / HTTP/1.1 ', 'GET\t/ HTTP/1.1', 'GET / HTTP/01.1', 'GET x HTTP/1.1'],
);
const field = oneOf(
  [
    'Content-Length: 5',
    'Content-Length: 0',
    'Content-Length: 05',
    'content-length:\t5 ',
    'Transfer-Encoding: chunked',
    'transfer-encoding:CHUNKED',
    'Transfer-Encoding: chunked ',
    'X: \xff\x80',
    'X:',
    'Connection: keep-alive',
    'Connection: content-length, transfer-encoding',
    'Expect: 100-continue',
    'Trailer: X',
    'TE: trailers',
    'Upgrade: h2c',
  ],
  [
    'Host: y',
    'Content-Length: +5',
    'Content-Length: 5, 5',
    'Content-Length : 5',
    'Content-Length: 5\x0b',
    'Transfer-Encoding: x, chunked',
    'Transfer-Encoding: chunked, x',
    'Transfer-Encoding: "chunked"',
    'Transfer-Encoding: \x0cchunked',
    'Transfer-Encoding\t: chunked',
    ' Transfer-Encoding: chunked',
    'X: a\r\n b',
    'X: a\x7fb',
    'X: a\x01b',
    ': x',
    'X',
    'Connection: close',
    'Expect: x',
  ],
);
const host = oneOf(['Host: h', 'Host:h:80', 'host: \tH ', 'Host: '], ['Host: h\r\nHost: h', 'X: no-host', 'Host: a b']);
const ending = oneOf(['\r\n'], ['\n', '\r', '\r\r\n', '\n\r\n']);
const chunks = oneOf(
  [
    '0\r\n\r\n',
    '5\r\nhello\r\n0\r\n\r\n',
    '5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n',
    '05\r\nhello\r\n00\r\n\r\n',
    '5;a="b;\\""\r\nhello\r\n0\r\n\r\n',
  ],
  [
    '5 \r\nhello\r\n0\r\n\r\n',
    '5\nhello\r\n0\r\n\r\n',
    '5\r\nhello\n0\r\n\r\n',
    '5;\x01\r\nhello\r\n0\r\n\r\n',
    '5\r\nhello\r\n0\r\nX : y\r\n\r\n',
    '5\r\nhello\r\n0\r\n x\r\n\r\n',
    '-5\r\nhello\r\n0\r\n\r\n',
    '0x5\r\nhello\r\n0\r\n\r\n',
  ],
);
const body = fc.oneof(
  { weight: 3, arbitrary: fc.constant('hello') },
  { weight: 2, arbitrary: fc.constant('') },
  { weight: 3, arbitrary: chunks },
);
const request = fc
  .record({ line, host, fields: fc.array(fc.tuple(field, ending), { maxLength: 3 }), end: ending, body })
  .map((parts) => {
    const fields = parts.fields.map((pair) => pair.join('')).join('');
    return `${parts.line}\r\n${parts.host}\r\n${fields}${parts.end}${parts.body}`;
  });

test('whatever passes is for Node what it is for the router, before and behind it', async () => {
  const requests = fc.array(request, { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(requests, async (list) => {
      await assertSameReading(Buffer.from(list.join(''), 'latin1'));
    }),
    { numRuns: 600 },
  );
});

test('one byte changed anywhere in a valid request never makes a second reading', async () => {
  const texts = [
    'POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello',
    'POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nT: u\r\n\r\n',
  ];
  const change = fc.record({ text: fc.constantFrom(...texts), at: fc.nat(), to: fc.nat(255), insert: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(change, async ({ text, at, to, insert }) => {
      const bytes = Buffer.from(text, 'latin1');
      const place = at % bytes.length;
      const behind = bytes.subarray(insert ? place : place + 1);
      await assertSameReading(Buffer.concat([bytes.subarray(0, place), Buffer.from([to]), behind]));
    }),
    { numRuns: 600 },
  );
});
