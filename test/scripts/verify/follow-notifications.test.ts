import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Server } from 'socket.io';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Follower, followBySocketIo, followByWebSocket } from '../../../scripts/verify/follow-notifications.ts';
import { eventually } from '../../support/eventually.ts';

const account = { name: 'test', userId: 'test', headers: {} };

/** A server with one kind of connections, and all of them so far. */
async function listen(t: TestContext, accept: (server: HttpServer, take: (socket: WebSocket) => void) => void) {
  const sockets: WebSocket[] = [];
  const server = createServer();
  accept(server, (socket) => sockets.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const followers: Follower[] = [];
  t.after(() => {
    for (const { close } of followers) close();
    for (const socket of sockets) socket.terminate();
    server.close();
  });
  return { base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets, followers };
}

const kinds = [
  {
    kind: 'a WebSocket',
    follow: followByWebSocket,
    accept(server: HttpServer, take: (socket: WebSocket) => void) {
      new WebSocketServer({ server, path: '/notifications' }).on('connection', take);
    },
  },
  {
    kind: 'Socket.IO',
    follow: followBySocketIo,
    accept(server: HttpServer, take: (socket: WebSocket) => void) {
      const io = new Server(server, { transports: ['websocket'] });
      io.of('/notifications').on('connection', ({ conn }) => {
        take((conn.transport as unknown as { readonly socket: WebSocket }).socket);
      });
    },
  },
];

for (const { kind, follow, accept } of kinds) {
  test(`a follower by ${kind} tells a connection that is closed from one that is broken off`, async (t) => {
    const { base, sockets, followers } = await listen(t, accept);
    const follower = await follow(base, account);
    followers.push(follower);
    sockets[0]!.close(1012, 'service restart');
    await eventually(() => assert.equal(follower.connects, 2));
    assert.equal(follower.brokenOff, 0);
    await eventually(() => assert.equal(sockets.length, 2));
    sockets[1]!.terminate();
    await eventually(() => assert.equal(follower.connects, 3));
    assert.equal(follower.brokenOff, 1);
  });
}
