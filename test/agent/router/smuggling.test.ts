import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { after, before, test } from 'node:test';
import type { Lifetime } from '../../support/lifetime.ts';
import { rawCall, startRouter, startWorker, type TestRouter, type TestWorker, web } from './router-process.ts';

const head = 'POST /a HTTP/1.1\r\nHost: x\r\n';
const hidden = 'GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n';
const last = 'GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

/** Requests that two readers could take in two ways: none may reach a worker, and the connection must end. */
const ambiguous: Record<string, string> = {
  'length and chunked': `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
  'chunked and length': `${head}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${hidden}`,
  'two different lengths': `${head}Content-Length: 0\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
  'the same length twice': `${head}Content-Length: 0\r\nContent-Length: 0\r\n\r\n${hidden}`,
  'a list of lengths': `${head}Content-Length: 0, 0\r\n\r\n${hidden}`,
  'a length with a sign': `${head}Content-Length: +0\r\n\r\n${hidden}`,
  'a hexadecimal length': `${head}Content-Length: 0x0\r\n\r\n${hidden}`,
  'a length with a space inside': `${head}Content-Length: 0 0\r\n\r\n${hidden}`,
  'an empty length': `${head}Content-Length:\r\n\r\n${hidden}`,
  'chunked in other words': `${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${hidden}`,
  'chunked and identity': `${head}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${hidden}`,
  'gzip and chunked': `${head}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n${hidden}`,
  'chunked twice': `${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
  identity: `${head}Transfer-Encoding: identity\r\n\r\n${hidden}`,
  'a vertical tab before chunked': `${head}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n${hidden}`,
  'a space before the colon': `${head}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${hidden}`,
  'a folded field': `${head}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${hidden}`,
  'a folded field with text before': `${head}X: a\r\n b\r\n\r\n${hidden}`,
  'a space before the first field': `GET /a HTTP/1.1\r\n Host: x\r\n\r\n${hidden}`,
  'a bare LF between fields': `POST /a HTTP/1.1\r\nHost: x\nContent-Length: 0\r\n\r\n${hidden}`,
  'bare LFs at the end of the head': `POST /a HTTP/1.1\r\nHost: x\n\n${hidden}`,
  'a bare CR in a value': `${head}X: a\rTransfer-Encoding: chunked\r\n\r\n${hidden}`,
  'a NUL in a value': `${head}X: a\0b\r\n\r\n${hidden}`,
  'a NUL in a name': `${head}X\0: b\r\n\r\n${hidden}`,
  'no colon': `${head}Content-Length\r\n\r\n${hidden}`,
  'an empty name': `${head}: 5\r\n\r\n${hidden}`,
  'two hosts': `GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n${hidden}`,
  'no host': `GET /a HTTP/1.1\r\n\r\n${hidden}`,
  'a host with a path': `GET /a HTTP/1.1\r\nHost: x/y\r\n\r\n${hidden}`,
  'a host with a user': `GET /a HTTP/1.1\r\nHost: u@x\r\n\r\n${hidden}`,
  'chunked in HTTP/1.0': `POST /a HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
  'a space in the target': `GET /a b HTTP/1.1\r\nHost: x\r\n\r\n${hidden}`,
  'a target without slash': `GET a HTTP/1.1\r\nHost: x\r\n\r\n${hidden}`,
  'a target in https': `GET https://x/a HTTP/1.1\r\nHost: x\r\n\r\n${hidden}`,
  'bytes beyond ASCII in the target': `GET /\xe4 HTTP/1.1\r\nHost: x\r\n\r\n${hidden}`,
  'another version': `GET /a HTTP/1.2\r\nHost: x\r\n\r\n${hidden}`,
  'HTTP/2': `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${hidden}`,
  CONNECT: `CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n${hidden}`,
  'an upgrade with a body': `${head}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n`,
};

/** Bodies that go wrong after a valid head: the worker may have seen the head, never a complete request. */
const brokenBodies: Record<string, string> = {
  'a chunk size with 0x': '0x5\r\nhello\r\n0\r\n\r\n',
  'a chunk size with a sign': '+5\r\nhello\r\n0\r\n\r\n',
  'an empty chunk size': '\r\nhello\r\n0\r\n\r\n',
  'a huge chunk size': 'fffffffffffffffff\r\nhello\r\n0\r\n\r\n',
  'a chunk size ended by LF': '5\nhello\r\n0\r\n\r\n',
  'a chunk past its size': '3\r\nhello\r\n0\r\n\r\n',
  'a bare LF after a chunk': '5\r\nhello\n0\r\n\r\n',
  'a bare LF in an extension': '5;a\nb\r\nhello\r\n0\r\n\r\n',
};

/** Unusual and valid: the worker must see through the router what it sees without it. */
const unusual: Record<string, string> = {
  'chunked in capitals': `${head}Transfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n${last}`,
  'chunk extensions and capitals': `${head}Transfer-Encoding: chunked\r\n\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n${last}`,
  'a GET with a body': `GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}${last}`,
  'framing named by Connection': `${head}Connection: keep-alive, Content-Length, Host\r\nContent-Length: 5\r\n\r\nhello${last}`,
  'a body in HTTP/1.0': 'POST /a HTTP/1.0\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello',
  'CR LF before the request': `\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n${last}`,
};

let router: TestRouter;
let worker: TestWorker;
const seen: string[] = [];
let complete: string[] = [];
const cleanUps: (() => void | Promise<void>)[] = [];
const lifetime: Lifetime = { after: (cleanUp) => cleanUps.push(cleanUp) };

const record: RequestListener = (received, response) => {
  seen.push(received.url ?? '');
  let body = '';
  received.on('data', (chunk) => {
    body += chunk;
  });
  received.on('error', () => {});
  received.on('end', () => {
    complete.push(`${received.method} ${received.url} ${received.headers.host} ${body}`);
    response.end('ok');
  });
};

before(async () => {
  worker = await startWorker(lifetime, record);
  // As a plain server without the router sees it.
  worker.server.on('checkContinue', record);
  router = await startRouter(lifetime);
  await router.route([web([worker.port])]);
});
after(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
});

for (const [name, bytes] of Object.entries(ambiguous)) {
  test(`a request with ${name} is refused and ends the connection`, async () => {
    seen.length = 0;
    const text = await rawCall(router.record.port, Buffer.from(bytes, 'latin1'));
    assert.match(text, /^HTTP\/1\.1 (?:400|405|501) /);
    assert.equal(text.match(/HTTP\/1\.1 /g)?.length, 1, 'one answer, and nothing for what was hidden');
    assert.deepEqual(seen, []);
  });
}

for (const [name, body] of Object.entries(brokenBodies)) {
  test(`a body with ${name} never becomes a complete request`, async () => {
    complete = [];
    const bytes = `${head}Transfer-Encoding: chunked\r\n\r\n${body}${hidden}`;
    const text = await rawCall(router.record.port, bytes);
    assert.doesNotMatch(text, /HTTP\/1\.1 200/);
    assert.deepEqual(complete, []);
  });
}

for (const [name, text] of Object.entries(unusual)) {
  test(`a request with ${name} is for the worker what it is without the router`, async () => {
    complete = [];
    await rawCall(worker.port, text);
    const direct = complete;
    complete = [];
    await rawCall(router.record.port, text);
    assert.deepEqual(complete, direct);
    assert.ok(direct.length > 0);
  });
}

test('the absolute form is forwarded in origin form, with its authority as Host', async () => {
  complete = [];
  await rawCall(router.record.port, 'GET http://other.example:81/x?y HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  assert.deepEqual(complete, ['GET /x?y other.example:81 ']);
});

test('an upgrade to another protocol is served as a plain request, and ends the connection', async () => {
  complete = [];
  const upgrade = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n';
  const text = await rawCall(router.record.port, `GET /a HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n${hidden}`);
  assert.match(text, /^HTTP\/1\.1 200 .*Connection: close/s);
  assert.deepEqual(complete, ['GET /a x ']);
});

test('the router serves on after all of that', async () => {
  assert.match(await rawCall(router.record.port, last), /^HTTP\/1\.1 200 /);
});
