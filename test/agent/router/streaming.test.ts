import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { eventually } from '../../support/eventually.ts';
import { call, rawCall, startRouter, startWorker, type TestRouter, web } from './router-process.ts';

const megabyte = 1024 * 1024;

function residentBytes(router: TestRouter): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${router.record.pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}

test('150 MB up and 150 MB down pass unchanged, in memory that does not grow with them', async (t) => {
  const router = await startRouter(t);
  const worker = await startWorker(t, (received, response) => {
    response.writeHead(200);
    received.pipe(response);
  });
  await router.route([web([worker.port])]);
  await call(router.url);
  const before = residentBytes(router);
  const chunk = Buffer.alloc(megabyte, 'drover');
  const sentDigest = createHash('sha256');
  const receivedDigest = createHash('sha256');
  const sent = request(router.url, { method: 'POST', agent: false });
  const answered = once(sent, 'response').then(async ([response]) => {
    for await (const part of response) receivedDigest.update(part);
  });
  for (let i = 0; i < 150; i++) {
    chunk.writeUInt32LE(i);
    sentDigest.update(chunk);
    if (!sent.write(Buffer.from(chunk))) await once(sent, 'drain');
  }
  sent.end();
  await answered;
  assert.equal(receivedDigest.digest('hex'), sentDigest.digest('hex'));
  // Less than a third of what passed: the rest is buffers that V8 has not collected yet.
  assert.ok(residentBytes(router) - before < 100 * megabyte, `grew by ${residentBytes(router) - before} bytes`);
});

test('a client that does not read holds the worker back, not the router', async (t) => {
  const router = await startRouter(t);
  let written = 0;
  const worker = await startWorker(t, (_request, response) => {
    const chunk = Buffer.alloc(megabyte);
    const more = (): void => {
      while (written < 300) {
        written++;
        if (!response.write(chunk)) {
          response.once('drain', more);
          return;
        }
      }
      response.end();
    };
    more();
  });
  await router.route([web([worker.port])]);
  const before = residentBytes(router);
  const socket = connect(router.record.port, '127.0.0.1');
  socket.pause();
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  let last = -1;
  // The worker has been held back when it wrote nothing between two looks.
  await eventually(
    () => {
      const isStill = written > 0 && written === last;
      last = written;
      return isStill;
    },
    { intervalMs: 300 },
  );
  assert.ok(written < 100, `the worker wrote ${written} MB to a client that reads nothing`);
  assert.ok(residentBytes(router) - before < 40 * megabyte);
  let length = 0;
  socket.on('data', (part) => {
    length += part.length;
  });
  socket.resume();
  await eventually(() => length > 300 * megabyte, { timeoutMs: 20_000 });
  socket.destroy();
});

test('server-sent events arrive one by one, the head before the first', async (t) => {
  const router = await startRouter(t);
  let send = (_text: string): void => {};
  const worker = await startWorker(t, (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.flushHeaders();
    send = (text) => response.write(text);
  });
  await router.route([web([worker.port])]);
  const sent = request(router.url, { agent: false }).end();
  const [response] = await once(sent, 'response');
  assert.equal(response.headers['content-type'], 'text/event-stream');
  response.setEncoding('utf8');
  for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
    send(event);
    assert.deepEqual(await once(response, 'data'), [event]);
  }
  sent.on('error', () => {});
  response.on('error', () => {});
  sent.destroy();
});

test('an answer before the end of the body reaches the client, and the rest of the body does no harm', async (t) => {
  const router = await startRouter(t);
  const worker = await startWorker(t, (received, response) => {
    if (received.method === 'GET') response.end('fine');
    else response.writeHead(413).end('too large');
  });
  await router.route([web([worker.port])]);
  const body = 'x'.repeat(megabyte);
  const bytes =
    `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}` +
    'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
  const text = await rawCall(router.record.port, bytes);
  assert.deepEqual(text.match(/HTTP\/1\.1 \d+|too large|fine/g), ['HTTP/1.1 413', 'too large', 'HTTP/1.1 200', 'fine']);
});

test('a WebSocket stays open while its instance leaves the table, and is counted apart', async (t) => {
  const router = await startRouter(t);
  const worker = await startWorker(t, (_request, response) => response.end('plain'));
  const sockets = new WebSocketServer({ server: worker.server });
  t.after(() => sockets.close());
  sockets.on('connection', (socket, received) => {
    socket.send(`hello ${received.url} ${received.headers['x-forwarded-for']}`);
    socket.on('message', (data) => socket.send(`echo ${data}`));
  });
  await router.route([web([worker.port])]);
  const socket = new WebSocket(`ws://127.0.0.1:${router.record.port}/chat`);
  t.after(() => socket.terminate());
  assert.equal(String((await once(socket, 'message'))[0]), 'hello /chat 127.0.0.1');
  socket.send('one');
  assert.equal(String((await once(socket, 'message'))[0]), 'echo one');

  const ack = await router.route([]);
  const id = `i-${worker.port}`;
  assert.deepEqual([ack.busy, ack.upgraded], [[], { [id]: 1 }]);
  const big = 'b'.repeat(megabyte);
  socket.send(big);
  assert.equal(String((await once(socket, 'message'))[0]), `echo ${big}`);
  socket.close();
  await once(socket, 'close');
  await eventually(() => Object.keys(router.lastAck()!.upgraded).length === 0);
});

test('bytes sent right behind an upgrade request arrive at the worker after the 101', async (t) => {
  const router = await startRouter(t);
  const worker = await startWorker(t, (_request, response) => response.end());
  worker.server.on('upgrade', (_request, socket, head) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst ');
    let text = String(head);
    socket.on('data', (chunk) => {
      text += chunk;
      if (text === 'early') socket.end(text);
    });
  });
  await router.route([web([worker.port])]);
  const bytes = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly';
  assert.match(
    await rawCall(router.record.port, bytes, (text) => text.endsWith('early')),
    /^HTTP\/1\.1 101 .*first early$/s,
  );
});

test('a refused upgrade passes through as the response it is, and the early bytes go nowhere', async (t) => {
  const router = await startRouter(t);
  const urls: string[] = [];
  const worker = await startWorker(t, (received, response) => {
    urls.push(received.url ?? '');
    response.writeHead(401, { 'WWW-Authenticate': 'Basic', 'Content-Length': megabyte }).end('n'.repeat(megabyte));
  });
  await router.route([web([worker.port])]);
  const bytes =
    'GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n';
  const text = await rawCall(router.record.port, bytes);
  assert.match(text, /^HTTP\/1\.1 401 /);
  assert.match(text, /WWW-Authenticate: Basic/);
  assert.ok(text.endsWith('n'.repeat(megabyte)));
  assert.deepEqual(urls, ['/ws']);
});

test('no instance for an upgrade is 503', async (t) => {
  const router = await startRouter(t);
  await router.route([web([])]);
  const bytes = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  assert.match(await rawCall(router.record.port, bytes), /^HTTP\/1\.1 503 /);
});

test('the kernel is asked to find out that a host of a worker, or of a client of a tunnel, has gone without a word', async (t) => {
  const router = await startRouter(t);
  const worker = await startWorker(t, (_request, response) => void response.writeHead(200).write('first part'));
  const sockets = new WebSocketServer({ server: worker.server });
  t.after(() => sockets.close());
  await router.route([web([worker.port])]);
  const socket = new WebSocket(`ws://127.0.0.1:${router.record.port}/`);
  t.after(() => socket.terminate());
  await once(socket, 'open');
  const sent = request(router.url, { agent: false }).end();
  t.after(() => sent.destroy());
  sent.on('error', () => {});
  await once(sent, 'response');

  const toWorker = () => probedConnections(({ remote }) => remote === worker.port);
  await eventually(() => assert.deepEqual(toWorker(), [true, true]));
  const client = (socket as unknown as { _socket: { localPort: number } })._socket.localPort;
  await eventually(() =>
    assert.deepEqual(
      probedConnections(({ remote }) => remote === client),
      [true],
    ),
  );
});

/** For each established connection of this host that is meant: whether its timer is that of keep-alive probes. */
function probedConnections(
  isMeant: (ports: { readonly local: number; readonly remote: number }) => boolean,
): boolean[] {
  const lines = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1);
  return lines.flatMap((line) => {
    const [, local = '', remote = '', state, , timer = ''] = line.trim().split(/\s+/);
    const port = (address: string) => Number.parseInt(address.split(':')[1] ?? '', 16);
    return state === '01' && isMeant({ local: port(local), remote: port(remote) }) ? [timer.startsWith('02:')] : [];
  });
}
