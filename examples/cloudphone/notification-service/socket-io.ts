import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import type { Drover } from 'drover';
import { drainSockets, mountSocketIo } from 'drover/socket-io';
import { Server, type Socket } from 'socket.io';
import type { WebSocket } from 'ws';
import { describeInstance } from '../shared/instance.ts';
import { Refusal } from '../shared/refusal.ts';
import { type Connection, openConnection } from './connection.ts';
import type { Delivery } from './delivery.ts';
import type { Client, Identify } from './identify.ts';

export interface SocketIoOptions {
  readonly server: HttpServer;
  readonly drover: Drover;
  readonly delivery: Delivery;
  readonly identify: Identify;
  /** Clients that are silent for so long are cut off. */
  readonly timeoutMs: number;
}

/** Clients have nothing to say here. */
const maxPayloadBytes = 16 * 1024;
/** An instance that is full says so, and the client finds another one. */
const maxClients = 10_000;
/** Who has not said in time who he is does not stay. */
const connectTimeoutMs = 5000;

/** Socket.IO with the namespace `/notifications`: each notification is an event `notification`. */
export async function mountSockets({ server, drover, delivery, identify, timeoutMs }: SocketIoOptions) {
  let isDraining = false;
  const io = new Server(server, {
    // With long polling the requests of one client would have to reach the same instance each time.
    transports: ['websocket'],
    // Other WebSockets of this server are not Socket.IO's to end.
    destroyUpgrade: false,
    serveClient: false,
    connectTimeout: connectTimeoutMs,
    maxHttpBufferSize: maxPayloadBytes,
    allowRequest(_request, decide) {
      const isFull = isDraining || io.engine.clientsCount >= maxClients;
      decide(isFull ? 'This instance takes no more clients.' : null, !isFull);
    },
  });
  // Rooms reach the clients of all instances. What must arrive goes through the delivery, which keeps it.
  const mounted = mountSocketIo(io, drover.coordination);
  const notifications = io.of('/notifications');

  notifications.use(async (socket, next) => {
    const { headers, query, auth } = socket.handshake;
    try {
      socket.data.client = await identify({ headers, query: { ...query, ...auth } });
      next();
    } catch (error) {
      next(asConnectError(error));
    }
  });
  notifications.on('connection', (socket) => {
    const client: Client = socket.data.client;
    const { userId, after } = client;
    const connection = connectionOf(socket, client, timeoutMs);
    socket.emit('welcome', { userId, ...describeInstance('notification-service') });
    if (userId === undefined) delivery.show(connection);
    else delivery.serve(connection, userId, after);
  });
  await mounted.ready();

  return {
    async drain(overMs: number): Promise<void> {
      isDraining = true;
      await drainSockets(io, { overMs });
      // Who was about to connect.
      io.engine.close();
    },
    async close(): Promise<void> {
      await io.close();
      await mounted.close();
    },
  };
}

function connectionOf(socket: Socket, { isWelcome }: Client, timeoutMs: number): Connection {
  const { conn } = socket;
  // Websockets are the only transport. Their pings pass by the protocol of Socket.IO.
  const { socket: websocket } = conn.transport as unknown as { readonly socket: WebSocket };
  let isBuffered = false;
  conn.on('packetCreate', () => {
    isBuffered = true;
  });
  conn.on('drain', () => {
    isBuffered = false;
  });
  return openConnection(websocket, {
    kind: 'socket.io',
    ...{ timeoutMs, isWelcome },
    send: (notification) => socket.emit('notification', notification),
    async flushed() {
      while (isBuffered) await once(conn, 'drain');
    },
  });
}

/** The client hears it as `connect_error`, with the same words as over HTTP in `data`. */
function asConnectError(error: unknown): Error {
  if (!(error instanceof Refusal)) {
    console.error(error);
    return new Error('INTERNAL');
  }
  const { status, code, message, details } = error;
  return Object.assign(new Error(code), { data: { status, error: code, message, ...details } });
}
