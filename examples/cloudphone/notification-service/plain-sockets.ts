import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import { Refusal } from '../shared/refusal.ts';
import { openConnection } from './connection.ts';
import type { Delivery } from './delivery.ts';
import type { Identify } from './identify.ts';

export interface PlainSocketsOptions {
  readonly server: Server;
  readonly delivery: Delivery;
  readonly identify: Identify;
  /** Clients that are silent for so long are cut off. */
  readonly timeoutMs: number;
  /** What belongs to Socket.IO, which looks after it itself. */
  readonly otherPath: string;
}

/** Clients have nothing to say here. */
const maxPayloadBytes = 16 * 1024;
/** An instance that is full says so, and the client finds another one. */
const maxClients = 10_000;
/** Closed at a time when the instance ends. */
const drainBatch = 20;
/** The instance is replaced: come again, to another one. */
const serviceRestart = 1012;

/** WebSockets at `/notifications`: each message is one notification, as JSON. */
export function mountPlainSockets({ server, delivery, identify, timeoutMs, otherPath }: PlainSocketsOptions) {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: maxPayloadBytes });
  let isDraining = false;

  async function admit(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname !== '/notifications') throw new Refusal(404, 'NOT_FOUND', 'WebSockets are at /notifications.');
    if (isDraining || sockets.clients.size >= maxClients) {
      throw new Refusal(503, 'INSTANCE_FULL', 'This instance takes no more clients.', { retryAfterSeconds: 1 });
    }
    const { userId, after, isWelcome } = await identify({
      headers: request.headers,
      query: Object.fromEntries(searchParams),
    });
    sockets.handleUpgrade(request, socket, head, (client) => {
      const connection = openConnection(client, {
        kind: 'websocket',
        ...{ timeoutMs, isWelcome },
        send: (notification) => client.send(JSON.stringify(notification)),
      });
      if (userId === undefined) delivery.show(connection);
      else delivery.serve(connection, userId, after);
    });
  }

  server.on('upgrade', (request, socket, head) => {
    if (request.url?.startsWith(otherPath)) return;
    socket.on('error', () => undefined);
    admit(request, socket, head).catch((error: unknown) => refuse(socket, error));
  });

  return {
    /** Sends the clients elsewhere, a few at a time, so that the other instances are not run over. */
    async drain(overMs: number): Promise<void> {
      isDraining = true;
      const clients = [...sockets.clients];
      const batches = Math.ceil(clients.length / drainBatch);
      for (let index = 0; index < batches; index++) {
        await sleep(overMs / (batches + 1));
        for (const client of clients.slice(index * drainBatch, (index + 1) * drainBatch)) {
          client.close(serviceRestart, 'service restart');
        }
      }
      // For the last ones to answer.
      if (batches > 0) await sleep(overMs / (batches + 1));
    },
    /** Cuts off who is left. */
    close(): void {
      for (const client of sockets.clients) client.terminate();
      sockets.close();
    },
  };
}

function refuse(socket: Duplex, error: unknown): void {
  const { status, code, message, details, retryAfterSeconds } =
    error instanceof Refusal
      ? error
      : new Refusal(500, 'INTERNAL', 'This failed here; the log of the service says why.');
  if (status === 500) console.error(error);
  const body = JSON.stringify({ error: code, message, ...details });
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    ...(retryAfterSeconds === undefined ? [] : [`retry-after: ${retryAfterSeconds}`]),
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
