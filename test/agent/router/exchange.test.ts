import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type RequestListener, request } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { ownPort } from '../../support/own-port.ts';
import { call, endpoint, keepAliveAgent, rawCall, startRouter, startWorker, web } from './router-process.ts';

/** A worker that speaks raw bytes: `answer` is called once per connection with everything that came at first. */
async function startRawWorker(
  t: Lifetime,
  answer: (socket: Socket, received: string, connection: number) => void,
): Promise<number> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createTcpServer((socket) => {
    const connection = ++connections;
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => answer(socket, chunk.toString('latin1'), connection));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

test('requests are forwarded with their method, path, query, fields and body, and the answer comes back', async (t) => {
  const router = await startRouter(t);
  const worker = await startWorker(t, async (received, response) => {
    let body = '';
    for await (const chunk of received) body += chunk;
    const { method, url, headers } = received;
    response.setHeader('Set-Cookie', ['a=1', 'b=2']);
    response.writeHead(201, 'Made').end(JSON.stringify({ method, url, headers, body }));
  });
  await router.route([web([worker.port])]);
  const answer = await call(router.url, {
    method: 'POST',
    path: '/a/b?c=d',
    headers: { 'X-Mine': 'yes', 'X-Forwarded-For': '9.9.9.9', Connection: 'x-private, close', 'X-Private': 'p' },
    body: 'hello',
  });
  assert.equal(answer.status, 201);
  assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2']);
  const seen = JSON.parse(answer.body);
  assert.equal(seen.method, 'POST');
  assert.equal(seen.url, '/a/b?c=d');
  assert.equal(seen.body, 'hello');
  assert.equal(seen.headers['x-mine'], 'yes');
  assert.equal(seen.headers['x-private'], undefined, 'fields named by Connection stay on this hop');
  assert.equal(seen.headers['x-forwarded-for'], '127.0.0.1', 'an untrusted client does not choose its address');
  assert.equal(seen.headers['x-forwarded-proto'], 'http');
  assert.equal(seen.headers.host, `127.0.0.1:${router.record.port}`);
});

test('connections are kept on both sides, and new ones serve as well', async (t) => {
  const router = await startRouter(t);
  let connections = 0;
  const worker = await startWorker(t, (_request, response) => response.end('ok'));
  worker.server.on('connection', () => connections++);
  await router.route([web([worker.port])]);
  const agent = keepAliveAgent(t);
  for (let i = 0; i < 20; i++) assert.equal((await call(router.url, { agent })).body, 'ok');
  for (let i = 0; i < 20; i++) assert.equal((await call(router.url)).body, 'ok');
  assert.equal(connections, 1);
  const stats = await router.client.stats();
  assert.equal(stats.services.web?.responses['2xx'], 40);
  assert.equal(stats.instances[`i-${worker.port}`]?.inFlight, 0);
});

test('an upstream connection is closed by the router before the worker would close it', async (t) => {
  const router = await startRouter(t);
  let closedByPeer = 0;
  const port = await startRawWorker(t, (socket) => {
    socket.on('end', () => closedByPeer++);
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=2\r\n\r\nok');
  });
  await router.route([web([port])]);
  assert.equal((await call(router.url)).body, 'ok');
  await eventually(() => closedByPeer === 1);
});

test('pipelined requests are worked on and answered in order, one after the other', async (t) => {
  const router = await startRouter(t);
  const events: string[] = [];
  const listener: RequestListener = (received, response) => {
    events.push(`begin ${received.url}`);
    received.resume().on('end', () => {
      const end = (): void => {
        events.push(`end ${received.url}`);
        response.end(`answer ${received.url}\n`);
      };
      // The first is the slowest: order must come from the requests, not from the workers.
      setTimeout(end, received.url === '/1' ? 100 : 0);
    });
  };
  const workers = [await startWorker(t, listener), await startWorker(t, listener)];
  await router.route([web(workers.map(({ port }) => port))]);
  const post = (path: string) => `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody`;
  const bytes = `${post('/1')}${post('/2')}GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
  const text = await rawCall(router.record.port, bytes);
  assert.deepEqual(text.match(/answer .*/g), ['answer /1', 'answer /2', 'answer /3']);
  assert.deepEqual(events, ['begin /1', 'end /1', 'begin /2', 'end /2', 'begin /3', 'end /3']);
});

test('HEAD, 204 and 304 have no body and leave the connection usable', async (t) => {
  const router = await startRouter(t);
  const worker = await startWorker(t, (received, response) => {
    if (received.url === '/204') response.writeHead(204).end();
    else if (received.url === '/304') response.writeHead(304, { ETag: '"x"', 'Content-Length': 5 }).end();
    else response.writeHead(200, { 'Content-Length': 5 }).end('hello');
  });
  await router.route([web([worker.port])]);
  const agent = keepAliveAgent(t);
  const head = await call(router.url, { agent, method: 'HEAD' });
  assert.deepEqual([head.status, head.headers['content-length'], head.body], [200, '5', '']);
  assert.equal((await call(router.url, { agent, path: '/204' })).status, 204);
  const notModified = await call(router.url, { agent, path: '/304' });
  assert.deepEqual([notModified.status, notModified.headers.etag, notModified.body], [304, '"x"', '']);
  assert.equal((await call(router.url, { agent })).body, 'hello');
});

test('chunked bodies and their trailers pass in both directions', async (t) => {
  const router = await startRouter(t);
  const worker = await startWorker(t, (received, response) => {
    let body = '';
    received.on('data', (chunk) => {
      body += chunk;
    });
    received.on('end', () => {
      response.writeHead(200, { Trailer: 'X-Sum' });
      response.write(`${body}|`);
      response.addTrailers({ 'X-Sum': `${received.trailers['x-check']} ${received.trailers.authorization}` });
      response.end('done');
    });
  });
  await router.route([web([worker.port])]);
  const bytes =
    'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Check\r\nConnection: close\r\n\r\n' +
    '3\r\nabc\r\n2\r\nde\r\n0\r\nX-Check: 42\r\nAuthorization: no\r\n\r\n';
  const text = await rawCall(router.record.port, bytes);
  assert.match(text, /abcde\|/);
  assert.match(text, /\r\n0\r\nX-Sum: 42 undefined\r\n\r\n$/);
});

test('a body that waits for 100 Continue is sent when the worker says so, and not when it refuses', async (t) => {
  const router = await startRouter(t);
  const worker = await startWorker(t, (received, response) => {
    received.resume().on('end', () => response.end('got it'));
  });
  worker.server.on('checkContinue', (received, response) => {
    if (received.url === '/no') {
      response.writeHead(413).end('too large');
      return;
    }
    response.writeContinue();
    received.resume().on('end', () => response.end('continued'));
  });
  await router.route([web([worker.port])]);
  const ask = (path: string) =>
    new Promise<string>((resolve, reject) => {
      const headers = { Expect: '100-continue', 'Content-Length': '4' };
      const sent = request(new URL(path, router.url), { method: 'POST', headers, agent: false }, (response) => {
        let text = `${response.statusCode} `;
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve(text));
      });
      sent.on('error', reject);
      sent.on('continue', () => sent.end('body'));
      sent.flushHeaders();
    });
  assert.equal(await ask('/yes'), '200 continued');
  assert.equal(await ask('/no'), '413 too large');
});

test('a worker that does not know Expect gets the body after a moment', async (t) => {
  const router = await startRouter(t);
  const port = await startRawWorker(t, (socket, received) => {
    if (received.includes('body')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  await router.route([web([port])]);
  const bytes =
    'POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody';
  assert.match(await rawCall(router.record.port, bytes), /HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
});

test('a GET whose kept connection dies is sent again, on a new connection', async (t) => {
  const router = await startRouter(t);
  const port = await startRawWorker(t, (socket, received, connection) => {
    if (connection === 1 && received.includes('/second')) socket.destroy();
    else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  await router.route([web([port])]);
  assert.equal((await call(router.url, { path: '/first' })).body, 'ok');
  assert.equal((await call(router.url, { path: '/second' })).body, 'ok');
});

test('a small PUT is sent again with its whole body; a POST never is once a byte of it was written', async (t) => {
  const router = await startRouter(t);
  const received: string[] = [];
  const port = await startRawWorker(t, (socket, text, connection) => {
    if (text.startsWith('GET')) {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      return;
    }
    received.push(text.slice(0, 4).trim() + connection);
    if (received.length === 1 || text.startsWith('POST')) socket.destroy();
    else if (text.endsWith('BODY')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nBODY');
  });
  await router.route([web([port])]);
  assert.equal((await call(router.url)).body, 'ok');
  const put = await call(router.url, { method: 'PUT', body: 'BODY' });
  assert.deepEqual([put.status, put.body], [200, 'BODY']);
  const post = await call(router.url, { method: 'POST', body: 'BODY' });
  assert.equal(post.status, 502);
  assert.equal(JSON.parse(post.body).code, 'UPSTREAM_FAILED');
  assert.equal((await call(router.url, { method: 'POST' })).status, 502, 'nor one without a body');
  assert.equal(received.filter((name) => name.startsWith('POST')).length, 2);
});

test('any request, with its body, goes to another instance when the first cannot be connected to', async (t) => {
  const router = await startRouter(t);
  const dead = await ownPort();
  const worker = await startWorker(t, async (received, response) => {
    let body = '';
    for await (const chunk of received) body += chunk;
    response.end(body);
  });
  await router.route([web([dead, worker.port])]);
  for (let i = 0; i < 20; i++) {
    const answer = await call(router.url, { method: 'POST', body: `n${i}` });
    assert.deepEqual([answer.status, answer.body], [200, `n${i}`]);
  }
  await eventually(() =>
    router.notices.some(({ instanceId, state }) => instanceId === `i-${dead}` && state === 'down'),
  );
});

test('an ejected instance is found again when it listens', async (t) => {
  const router = await startRouter(t);
  const port = await ownPort();
  const worker = await startWorker(t, (_request, response) => response.end('other'));
  await router.route([web([port, worker.port])]);
  await eventually(async () => {
    await call(router.url);
    return router.notices.length > 0;
  });
  const back = createTcpServer((socket) => {
    socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nback'));
  });
  back.listen(port, '127.0.0.1');
  t.after(() => back.close());
  await eventually(async () => (await call(router.url)).body === 'back');
  await eventually(() => router.notices.at(-1)?.state === 'up');
});

test('no route is 404, no instance is 503, no reachable instance is 502, no answer in time is 504', async (t) => {
  const router = await startRouter(t);
  const silent = await startRawWorker(t, () => {});
  await router.route([
    { name: 'none', routes: [{ path: '/none' }], endpoints: [] },
    { name: 'dead', routes: [{ path: '/dead' }], endpoints: [endpoint(await ownPort())] },
    {
      name: 'mute',
      routes: [{ path: '/mute' }],
      endpoints: [endpoint(silent)],
      options: { responseHeaderTimeoutMs: 300 },
    },
  ]);
  const statuses: [string, number, string][] = [
    ['/', 404, 'ROUTE_NOT_FOUND'],
    ['/nonesuch', 404, 'ROUTE_NOT_FOUND'],
    ['/none', 503, 'SERVICE_UNAVAILABLE'],
    ['/dead', 502, 'UPSTREAM_FAILED'],
    ['/mute', 504, 'UPSTREAM_TIMEOUT'],
  ];
  for (const [path, status, code] of statuses) {
    const answer = await call(router.url, { path });
    assert.deepEqual([answer.status, JSON.parse(answer.body).code], [status, code], path);
    assert.equal(answer.headers['content-type'], 'application/problem+json');
  }
  const { failures } = await router.client.stats();
  assert.deepEqual([failures.noRoute, failures.noEndpoint, failures.connect, failures.timeout], [2, 1, 1, 1]);
});

test('a response that is cut short is cut short for the client too', async (t) => {
  const router = await startRouter(t);
  const port = await startRawWorker(t, (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'));
  await router.route([web([port])]);
  await assert.rejects(call(router.url));
  assert.equal((await router.client.stats()).failures.upstreamReset, 1);
});

test('a client that goes away ends the request at the worker', async (t) => {
  const router = await startRouter(t);
  let aborted = 0;
  const worker = await startWorker(t, (_request, response) => {
    response.on('close', () => aborted++);
  });
  await router.route([web([worker.port])]);
  const sent = request(router.url, { agent: false });
  sent.on('error', () => {});
  sent.end();
  await eventually(async () => (await router.client.stats()).services.web?.inFlight === 1);
  sent.destroy();
  await eventually(() => aborted === 1);
  assert.equal((await router.client.stats()).services.web?.inFlight, 0);
});

test('a head that is too long is 431, and one that never ends is 408', async (t) => {
  const router = await startRouter(t, { limits: { maxHeaderBytes: 2_048, headTimeoutMs: 500 } });
  const long = await rawCall(router.record.port, `GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(4_000)}\r\n\r\n`);
  assert.match(long, /^HTTP\/1\.1 431 /);
  const slow = await rawCall(router.record.port, 'GET / HTTP/1.1\r\nHost: x\r\n');
  assert.match(slow, /^HTTP\/1\.1 408 /);
});
