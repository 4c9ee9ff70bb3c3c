import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ResponseParser } from '../../../agent/router/response-parser.ts';

interface Read {
  readonly heads: [number, string, string[]][];
  readonly body: string;
  readonly trailers: string[] | null;
  readonly upgraded: string;
  readonly reusable: boolean;
  readonly error: string | null;
}

/** Feeds the pieces, then FIN, to a parser that expects one response, and says all that came out. */
function read(pieces: readonly Buffer[], method = 'GET'): Read {
  const heads: Read['heads'] = [];
  let body = '';
  let upgraded = '';
  let trailers: string[] | null = null;
  const parser = new ResponseParser();
  parser.expect(method, {
    onHead: (head) => heads.push([head.status, head.reason, head.headers]),
    onBody: (chunk) => {
      body += chunk.toString('latin1');
    },
    onEnd: (received) => {
      trailers = received;
    },
    onUpgraded: (rest) => {
      upgraded += rest.toString('latin1');
    },
  });
  let error: string | null = null;
  try {
    for (const piece of pieces) parser.feed(piece);
    parser.finish();
  } catch (thrown) {
    error = (thrown as Error).message;
  }
  return { heads, body, trailers, upgraded, reusable: parser.reusable, error };
}

const readText = (text: string, method?: string): Read => read([Buffer.from(text, 'latin1')], method);

const valid: Record<string, string> = {
  length: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello',
  empty: 'HTTP/1.1 204 No Content\r\n\r\n',
  chunked:
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;ext="1"\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 6\r\nX-More: 1\r\n\r\n',
  untilClose: 'HTTP/1.0 200 OK\r\n\r\nall of it\r\n\r\n',
  informational:
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200\r\nContent-Length: 0\r\n\r\n',
  upgrade: 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x02hi',
};

const invalid: Record<string, string> = {
  'both framings': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!',
  'a list of lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello',
  'a negative length': 'HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello',
  'another coding': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
  'a folded field': 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n',
  'a bare LF': 'HTTP/1.1 200 OK\r\nX: a\nY: b\r\nContent-Length: 0\r\n\r\n',
  'a bare CR': 'HTTP/1.1 200 OK\r\nX: a\rY: b\r\nContent-Length: 0\r\n\r\n',
  'a NUL': 'HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n',
  'a space before the colon': 'HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n',
  'no colon': 'HTTP/1.1 200 OK\r\nnonsense\r\n\r\n',
  'another version': 'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n',
  'a status of two digits': 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n',
  'a chunk size that is no hex': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n',
  'a huge chunk size': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n',
  'a chunk past its size': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n',
  'a chunk line without CR': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n',
  'a second response': 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
};

test('each framing is read to its end', () => {
  assert.deepEqual(readText(valid.length!), {
    heads: [[200, 'OK', ['Content-Length', '5', 'X', 'y']]],
    body: 'hello',
    trailers: [],
    upgraded: '',
    reusable: true,
    error: null,
  });
  const chunked = readText(valid.chunked!);
  assert.deepEqual([chunked.body, chunked.trailers], ['hello!', ['X-Sum', '6', 'X-More', '1']]);
  const untilClose = readText(valid.untilClose!);
  assert.deepEqual([untilClose.body, untilClose.reusable], ['all of it\r\n\r\n', false]);
  assert.deepEqual(
    readText(valid.informational!).heads.map(([status]) => status),
    [100, 103, 200],
  );
  assert.equal(readText(valid.upgrade!).upgraded, '\x81\x02hi');
});

test('a response to HEAD has no body whatever its fields say', () => {
  const answer = readText('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'HEAD');
  assert.deepEqual([answer.trailers, answer.reusable], [[], true]);
});

test('a connection is used again only when the worker keeps it', () => {
  assert.equal(readText('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n').reusable, false);
  assert.equal(readText('HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n').reusable, false);
  assert.equal(readText('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n').reusable, true);
});

test('fields that Connection names are dropped, and framing is not theirs to drop', () => {
  const { heads } = readText(
    'HTTP/1.1 200 OK\r\nConnection: X-Hop, Content-Length\r\nX-Hop: 1\r\nX-Kept: 2\r\nContent-Length: 0\r\n\r\n',
  );
  assert.deepEqual(heads[0]?.[2], ['X-Kept', '2', 'Content-Length', '0']);
});

for (const [name, text] of Object.entries(invalid)) {
  test(`a response with ${name} is refused`, () => {
    assert.notEqual(readText(text).error, null);
  });
}

test('heads, chunk lines and trailers that never end are refused', () => {
  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
  assert.notEqual(readText(`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(70_000)}`).error, null);
  assert.notEqual(readText(`${chunked}5;${'a'.repeat(5_000)}`).error, null);
  assert.notEqual(readText(`${chunked}0\r\n${'X: aaaaaaaaaaaaaaaa\r\n'.repeat(2_000)}`).error, null);
});

test('the same bytes mean the same however they are split', () => {
  const texts = [...Object.values(valid), ...Object.values(invalid)];
  for (const text of texts) {
    const whole = readText(text);
    const bytes = Buffer.from(text, 'latin1');
    for (let at = 1; at < bytes.length; at++) {
      assert.deepEqual(
        read([bytes.subarray(0, at), bytes.subarray(at)]),
        whole,
        `${JSON.stringify(text)} split at ${at}`,
      );
    }
    assert.deepEqual(
      read([...bytes].map((byte) => Buffer.from([byte]))),
      whole,
      `${JSON.stringify(text)} byte by byte`,
    );
  }
});

test('any body in any chunks, split anywhere, comes out as it went in', () => {
  const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 8 });
  fc.assert(
    fc.property(chunks, fc.array(fc.nat(400), { maxLength: 10 }), (parts, cuts) => {
      const bytes = Buffer.concat([
        Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'),
        ...parts.flatMap((part) => [Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]),
        Buffer.from('0\r\n\r\n'),
      ]);
      const edges = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
      const answer = read(edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge)));
      assert.equal(answer.body, Buffer.concat(parts).toString('latin1'));
      assert.deepEqual([answer.trailers, answer.error], [[], null]);
    }),
  );
});
