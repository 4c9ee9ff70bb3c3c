import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { call, rawCall, startRouter, startWorker, web } from './router-process.ts';

const close = 'Connection: close\r\n';

/** Connects and collects what comes; the socket ends with the test. */
async function open(
  t: { after(cleanUp: () => void): void },
  port: number,
): Promise<{ socket: Socket; text(): string }> {
  const socket = connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
  });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return { socket, text: () => text };
}

test('bytes that keep coming do not prolong the time for a head', async (t) => {
  const router = await startRouter(t, { limits: { headTimeoutMs: 700 } });
  const { socket, text } = await open(t, router.record.port);
  const drip = setInterval(() => socket.write('X: y\r\n'), 50);
  t.after(() => clearInterval(drip));
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n');
  await eventually(() => /^HTTP\/1\.1 408 .*"REQUEST_TIMEOUT"/s.test(text()));
});

test('the time for a head holds for every request of a connection, and idle connections are closed without a word', async (t) => {
  const router = await startRouter(t, { limits: { headTimeoutMs: 400, keepAliveTimeoutMs: 2_000 } });
  const worker = await startWorker(t, (_request, response) => response.end('ok'));
  await router.route([web([worker.port])]);
  // Each speaks as soon as it is connected, before its time for a head can be over.
  const slow = await open(t, router.record.port);
  slow.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT');
  const idle = await open(t, router.record.port);
  idle.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const silent = await open(t, router.record.port);
  await eventually(() => /^HTTP\/1\.1 200 .*Keep-Alive: timeout=2\r\n.*HTTP\/1\.1 408 /s.test(slow.text()));
  await eventually(() => idle.socket.readyState === 'closed' && silent.socket.readyState === 'closed');
  assert.equal(idle.text().match(/HTTP\/1\.1 /g)?.length, 1);
  assert.equal(silent.text(), '');
});

test('a thousand pipelined requests are all answered, in order', async (t) => {
  const router = await startRouter(t);
  const worker = await startWorker(t, (request, response) => response.end(`answer ${request.url}\n`));
  await router.route([web([worker.port])]);
  const count = 1_000;
  const requests = Array.from(
    { length: count },
    (_, i) => `GET /${i} HTTP/1.1\r\nHost: x\r\n${i === count - 1 ? close : ''}\r\n`,
  );
  const text = await rawCall(router.record.port, requests.join(''));
  const answers = Array.from({ length: count }, (_, i) => `answer /${i}`);
  assert.deepEqual(text.match(/answer .*/g), answers);
  const missing = requests.map((request) => request.replace('Host: x', 'Host: none'));
  await router.route([web([worker.port], { routes: [{ host: 'x' }] })]);
  assert.equal((await rawCall(router.record.port, missing.join(''))).match(/HTTP\/1\.1 404 /g)?.length, count);
});

test('a client that takes no answers gets no further requests worked on', async (t) => {
  const router = await startRouter(t);
  let requests = 0;
  // Small: it is the number of answers that must not grow without bound, not one of them.
  const answer = Buffer.alloc(16 * 1024, 'a');
  const worker = await startWorker(t, (_request, response) => {
    requests++;
    response.end(answer);
  });
  await router.route([web([worker.port])]);
  const { socket, text } = await open(t, router.record.port);
  socket.pause();
  const count = 2_000;
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(count));
  let last = -1;
  await eventually(
    () => {
      const isStill = requests > 0 && requests === last;
      last = requests;
      return isStill;
    },
    { intervalMs: 300 },
  );
  assert.ok(requests < count, `all of ${count} were worked on`);
  socket.resume();
  // With their heads, the answers are that long before the last of them has come.
  await eventually(() => text().length > count * answer.length && requests === count, { timeoutMs: 20_000 });
});

test('HTTP/1.0 gets what it understands: no chunks, no interim answers, a connection that closes unless it asks', async (t) => {
  const router = await startRouter(t);
  const worker = await startWorker(t, (request, response) => {
    response.writeEarlyHints({ link: '</a>; rel=preload' });
    if (request.url === '/length') response.setHeader('Content-Length', 10);
    response.write('first');
    response.end('-last');
  });
  await router.route([web([worker.port])]);
  const streamed = await rawCall(router.record.port, 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  assert.match(streamed, /^HTTP\/1\.1 200 .*Connection: close\r\n\r\nfirst-last$/s);
  const kept = 'GET /length HTTP/1.0\r\nConnection: keep-alive\r\n\r\n';
  const twice = await rawCall(router.record.port, `${kept}GET /length HTTP/1.0\r\n\r\n`);
  assert.match(
    twice,
    /^HTTP\/1\.1 200 .*Connection: keep-alive\r\n.*first-lastHTTP\/1\.1 200 .*Connection: close.*first-last$/s,
  );
  const modern = await rawCall(router.record.port, `GET / HTTP/1.1\r\nHost: x\r\n${close}\r\n`);
  assert.match(modern, /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a>; rel=preload\r\n\r\nHTTP\/1\.1 200 /i);
});

test('what the router refuses by itself ends the connection and reaches a client that is still sending', async (t) => {
  const router = await startRouter(t);
  const worker = await startWorker(t, (request, response) => request.resume().on('end', () => response.end('ok')));
  await router.route([web([worker.port])]);
  const flood = 'x'.repeat(2 * 1024 * 1024);
  const post = 'POST / HTTP/1.1\r\nHost: x\r\n';
  const cases: [string, RegExp][] = [
    [`${post}Expect: more\r\nContent-Length: 5\r\n\r\n${flood}`, /^HTTP\/1\.1 417 /],
    [`${post}Transfer-Encoding: chunked\r\n\r\n5;x=${flood}`, /^HTTP\/1\.1 413 /],
    [`${post}Transfer-Encoding: chunked\r\n\r\nnonsense\r\n${flood}`, /^HTTP\/1\.1 400 /],
    [`CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n${flood}`, /^HTTP\/1\.1 405 /],
    [`${post}Transfer-Encoding: gzip\r\n\r\n${flood}`, /^HTTP\/1\.1 501 /],
  ];
  for (const [bytes, status] of cases) {
    const text = await rawCall(router.record.port, bytes);
    assert.match(text, status);
    assert.match(text, /Connection: close\r\n\r\n\{"type":/);
  }
  assert.equal((await router.client.stats()).failures.badRequest, cases.length);
});

test('a response without a Date gets one', async (t) => {
  const router = await startRouter(t);
  const worker = await startWorker(t, (_request, response) => {
    response.sendDate = false;
    response.end('ok');
  });
  await router.route([web([worker.port])]);
  assert.ok(Math.abs(Date.parse((await call(router.url)).headers.date ?? '') - Date.now()) < 60_000);
});

test('a client that ends its direction is not answered any more, and its request ends at the worker', async (t) => {
  const router = await startRouter(t);
  let aborted = 0;
  const worker = await startWorker(t, (_request, response) => {
    response.on('close', () => aborted++);
  });
  await router.route([web([worker.port])]);
  const { socket, text } = await open(t, router.record.port);
  socket.end('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await eventually(() => aborted === 1);
  await eventually(() => socket.readyState === 'closed');
  assert.equal(text(), '');
});

test('connections past the maximum are closed at once, those before it are served', async (t) => {
  const router = await startRouter(t, { limits: { maxConnections: 2 } });
  const worker = await startWorker(t, (_request, response) => response.end('ok'));
  await router.route([web([worker.port])]);
  const first = await open(t, router.record.port);
  const second = await open(t, router.record.port);
  const third = await open(t, router.record.port);
  await eventually(() => third.socket.readyState === 'closed');
  for (const { socket, text } of [first, second]) {
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await eventually(() => text().endsWith('ok'));
  }
});
