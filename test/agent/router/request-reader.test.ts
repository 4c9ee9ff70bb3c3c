import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readRequests } from './read-requests.ts';

const host = 'Host: x\r\n';
const chunked = `POST /c HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n`;

const valid: Record<string, string> = {
  'a GET': `GET /a?b HTTP/1.1\r\n${host}Accept: */*\r\n\r\n`,
  'a body with its length': `POST /a HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello`,
  'a chunked body': `${chunked}5;ext="1"\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 6\r\nX-More: 1\r\n\r\n`,
  'an empty chunked body': `${chunked}0\r\n\r\n`,
  'HTTP/1.0': 'GET / HTTP/1.0\r\n\r\n',
  'empty lines before it': `\r\n\r\n\r\nGET /a HTTP/1.1\r\n${host}\r\n`,
  'a pipeline': `GET /1 HTTP/1.1\r\n${host}\r\nPOST /2 HTTP/1.1\r\n${host}Content-Length: 2\r\n\r\nok${chunked}1\r\n-\r\n0\r\n\r\nGET /3 HTTP/1.1\r\n${host}\r\n`,
};

const refused: Record<string, [number, string]> = {
  'several Hosts': [400, `GET / HTTP/1.1\r\n${host}Host: y\r\n\r\n`],
  'the same Host twice': [400, `GET / HTTP/1.1\r\n${host}${host}\r\n`],
  'no Host': [400, 'GET / HTTP/1.1\r\nAccept: x\r\n\r\n'],
  'a Host that is no authority': [400, 'GET / HTTP/1.1\r\nHost: x y\r\n\r\n'],
  'both framings': [400, `POST / HTTP/1.1\r\n${host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`],
  'several lengths': [400, `POST / HTTP/1.1\r\n${host}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
  'a length that is no number': [400, `POST / HTTP/1.1\r\n${host}Content-Length: 5, 5\r\n\r\nhello`],
  'a length past what is exact': [400, `POST / HTTP/1.1\r\n${host}Content-Length: 9999999999999999\r\n\r\n`],
  'another coding': [501, `POST / HTTP/1.1\r\n${host}Transfer-Encoding: gzip, chunked\r\n\r\n`],
  'chunked in HTTP/1.0': [400, 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  'a folded field': [400, `GET / HTTP/1.1\r\n${host}X: a\r\n b\r\n\r\n`],
  'a bare LF': [400, `GET / HTTP/1.1\r\n${host}X: a\nY: b\r\n\r\n`],
  'nothing but bare LFs': [400, 'GET / HTTP/1.1\nHost: x\n\n'],
  'a bare CR': [400, `GET / HTTP/1.1\r\n${host}X: a\rY: b\r\n\r\n`],
  'a NUL': [400, `GET / HTTP/1.1\r\n${host}X: a\0b\r\n\r\n`],
  'a space before the colon': [400, `GET / HTTP/1.1\r\n${host}X : a\r\n\r\n`],
  'no colon': [400, `GET / HTTP/1.1\r\n${host}nonsense\r\n\r\n`],
  'an empty name': [400, `GET / HTTP/1.1\r\n${host}: a\r\n\r\n`],
  'two spaces in the request line': [400, `GET  / HTTP/1.1\r\n${host}\r\n`],
  'a tab in the request line': [400, `GET\t/ HTTP/1.1\r\n${host}\r\n`],
  'a method in small letters': [400, `get / HTTP/1.1\r\n${host}\r\n`],
  'a method that nobody knows': [400, `FETCH / HTTP/1.1\r\n${host}\r\n`],
  'another version': [400, `GET / HTTP/1.2\r\n${host}\r\n`],
  'no version': [400, `GET /\r\n${host}\r\n`],
  'a target in another scheme': [400, `GET https://x/ HTTP/1.1\r\n${host}\r\n`],
  'a target beyond ASCII': [400, `GET /\xe4 HTTP/1.1\r\n${host}\r\n`],
  'the beginning of TLS': [400, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  CONNECT: [405, `CONNECT x:80 HTTP/1.1\r\n${host}\r\n`],
  'an expectation that nobody knows': [417, `POST / HTTP/1.1\r\n${host}Expect: more\r\nContent-Length: 1\r\n\r\n`],
  'a head that is too long': [431, `GET / HTTP/1.1\r\n${host}X: ${'a'.repeat(20_000)}\r\n\r\n`],
  'a head that is too long and never ends': [431, `GET / HTTP/1.1\r\n${host}X: ${'a'.repeat(20_000)}`],
  'a chunk size that is no hex': [400, `${chunked}0x5\r\nhello\r\n0\r\n\r\n`],
  'a chunk size with a sign': [400, `${chunked}+5\r\nhello\r\n0\r\n\r\n`],
  'a chunk size past what is exact': [400, `${chunked}fffffffffffffffff\r\nhello\r\n0\r\n\r\n`],
  'a chunk past its size': [400, `${chunked}3\r\nhello\r\n0\r\n\r\n`],
  'a chunk line without CR': [400, `${chunked}5\nhello\r\n0\r\n\r\n`],
  'a bare LF in an extension': [400, `${chunked}5;a\nb\r\nhello\r\n0\r\n\r\n`],
  'an extension that is too long': [413, `${chunked}5;${'a'.repeat(5_000)}\r\nhello\r\n0\r\n\r\n`],
  'too many extensions': [413, `${chunked}${`1;${'a'.repeat(3_000)}\r\n-\r\n`.repeat(6)}0\r\n\r\n`],
  'trailers that never end': [413, `${chunked}0\r\n${'X: aaaaaaaaaaaaaaaa\r\n'.repeat(2_000)}`],
  'a folded trailer': [400, `${chunked}0\r\nX: a\r\n b\r\n\r\n`],
};

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');

test('requests are read with their bodies and trailers, each to its own end', () => {
  const { requests } = readRequests([bytesOf(valid['a pipeline']! + valid['a chunked body'])]);
  assert.deepEqual(
    requests.map(({ head, body, trailers }) => [head.method, head.path, body, trailers]),
    [
      ['GET', '/1', '', []],
      ['POST', '/2', 'ok', []],
      ['POST', '/c', '-', []],
      ['GET', '/3', '', []],
      ['POST', '/c', 'hello!', ['X-Sum', '6', 'X-More', '1']],
    ],
  );
});

for (const [name, [status, text]] of Object.entries(refused)) {
  test(`${name}: ${status}, and nothing behind it is read`, () => {
    const reading = readRequests([bytesOf(text), bytesOf(valid['a GET']!)]);
    assert.equal(reading.refused, status);
    assert.deepEqual(reading.requests, []);
  });
}

test('the same bytes mean the same however they are split', () => {
  const texts = [...Object.values(valid), ...Object.values(refused).map(([, text]) => text)];
  for (const text of texts) {
    const bytes = bytesOf(text);
    const whole = readRequests([bytes]);
    const last = Math.min(bytes.length, 300);
    for (let at = 1; at < last; at++) {
      const split = readRequests([bytes.subarray(0, at), bytes.subarray(at)]);
      assert.deepEqual(split, whole, `${JSON.stringify(text.slice(0, 300))} split at ${at}`);
    }
    if (bytes.length > 300) continue;
    const pieces = [...bytes].map((byte) => Buffer.from([byte]));
    assert.deepEqual(readRequests(pieces), whole, `${JSON.stringify(text)} byte by byte`);
  }
});

test('any requests with any bodies, split and held anywhere, come out as they went in', () => {
  const request = fc.record({
    body: fc.uint8Array({ maxLength: 60 }),
    cuts: fc.array(fc.nat(60)),
    chunked: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(request, { maxLength: 5 }), fc.array(fc.nat(800), { maxLength: 12 }), (list, cuts) => {
      const bytes = Buffer.concat(
        list.flatMap(({ body, cuts: chunkCuts, chunked: isChunked }, i) => [
          bytesOf(`PUT /${i} HTTP/1.1\r\n${host}`),
          ...(isChunked ? chunkedBytes(body, chunkCuts) : [bytesOf(`Content-Length: ${body.length}\r\n\r\n`), body]),
        ]),
      );
      const reading = readRequests(split(bytes, cuts));
      assert.equal(reading.refused, null);
      assert.deepEqual(
        reading.requests.map(({ head, body }) => [head.path, body]),
        list.map(({ body }, i) => [`/${i}`, Buffer.from(body).toString('latin1')]),
      );
    }),
  );
});

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const edges = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
  return edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge));
}

function chunkedBytes(body: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const parts = split(Buffer.from(body), cuts).filter((part) => part.length > 0);
  return [
    bytesOf('Transfer-Encoding: chunked\r\n\r\n'),
    ...parts.flatMap((part) => [bytesOf(`${part.length.toString(16)}\r\n`), part, bytesOf('\r\n')]),
    bytesOf('0\r\n\r\n'),
  ];
}
