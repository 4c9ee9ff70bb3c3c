import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { rawCall, startRouter, web } from './router-process.ts';

test('the answer of a worker that answers early and cuts the connection is delivered, however much is still being sent', async (t) => {
  const router = await startRouter(t);
  const server = createServer((socket) => {
    socket.on('error', () => {});
    // Nothing more of the body is read: closing over it resets the connection.
    socket.once('data', () => {
      socket.pause();
      socket.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large', () => {
        setImmediate(() => socket.destroy());
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => void server.close());
  await router.route([web([(server.address() as AddressInfo).port])]);
  const body = Buffer.alloc(4 * 1024 * 1024, 'x');
  for (let i = 0; i < 30; i++) {
    const bytes = Buffer.concat([
      Buffer.from(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`),
      body,
    ]);
    assert.match(await rawCall(router.record.port, bytes, (text) => text.endsWith('too large')), /^HTTP\/1\.1 413 /);
  }
});
