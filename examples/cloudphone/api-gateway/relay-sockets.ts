import { type IncomingHttpHeaders, type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type RawData, WebSocket, WebSocketServer } from 'ws';
import { Refusal } from '../shared/refusal.ts';

export interface SocketRelay {
  /**
   * Joins the WebSocket that a request asks for with one to another place. The client is accepted only when the service has
   * accepted us; what it says instead, such as 401, is the answer.
   * @throws Refusal when it is no WebSocket, or we are ending; the error of a connection that did not come about
   */
  join(request: FastifyRequest, reply: FastifyReply, to: SocketTarget): Promise<void>;
}

export interface SocketTarget {
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  /** Asked again and again: the session of a client may be ended while its socket is open. */
  readonly isWelcome?: (() => Promise<boolean>) | undefined;
}

export interface SocketRelayOptions {
  /** At the end, sockets are closed one after the other over so long, so that not all clients come back at once. */
  readonly drainMs: number;
  /** Between two looks whether a client is still welcome. */
  readonly lookMs: number;
  readonly connectTimeoutMs: number;
}

const maxMessageBytes = 1024 * 1024;
/** A client that reads so much slower than the service sends holds the service back. */
const maxWaitingBytes = 1024 * 1024;
/** For clients to answer that they have closed. */
const closeGraceMs = 1000;
/** RFC 6455: come back, we are replaced. */
const serviceRestart = 1012;
/** The session of the token was ended: log in again. Codes from 4000 on are for applications. */
const sessionEnded = 4401;

const rules = { autoPong: false, maxPayload: maxMessageBytes, perMessageDeflate: false } as const;

/** Whether a client asks for a WebSocket, which has no body. */
export function isForWebSocket({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket';
}

/** Takes WebSockets of clients through the routes of `app`, with all hooks that stand before them. */
export function relaySockets(app: FastifyInstance, options: SocketRelayOptions): SocketRelay {
  const { drainMs, lookMs, connectTimeoutMs } = options;
  const server = new WebSocketServer({ ...rules, noServer: true });
  const upgrades = new WeakMap<IncomingMessage, { socket: Duplex; head: Buffer }>();
  let isEnding = false;

  app.server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    upgrades.set(request, { socket, head });
    socket.on('error', () => socket.destroy());
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.on('finish', () => socket.end());
    app.routing(request, response);
  });

  app.addHook('preClose', async () => {
    isEnding = true;
    const clients = [...server.clients];
    for (const client of clients) {
      client.close(serviceRestart, 'service restart');
      await pause(drainMs / clients.length);
    }
    if (server.clients.size > 0) await pause(closeGraceMs);
    for (const client of server.clients) client.terminate();
  });

  /** Never throws. */
  async function watch(client: WebSocket, isWelcome: () => Promise<boolean>): Promise<void> {
    const closed = new AbortController();
    client.once('close', () => closed.abort());
    while (!closed.signal.aborted) {
      await pause(lookMs, undefined, { signal: closed.signal }).catch(() => undefined);
      if (!closed.signal.aborted && !(await isWelcome())) client.close(sessionEnded, 'session ended');
    }
  }

  return {
    async join(request, reply, { url, headers, isWelcome }) {
      const upgrade = upgrades.get(request.raw);
      if (upgrade === undefined) throw new Refusal(426, 'WEBSOCKET_EXPECTED', 'This is for WebSockets.');
      if (isEnding) throw ending();
      const { socket, head } = upgrade;
      const upstream = connectTo(url, headers, connectTimeoutMs);
      const giveUp = () => upstream.terminate();
      socket.once('close', giveUp);
      const refused = await opened(upstream);
      if (refused !== undefined) return void (await answerAs(reply, refused));
      if (isEnding) {
        // Those that there were have been closed: nobody would close this one.
        upstream.terminate();
        throw ending();
      }
      // The subprotocol that the service has chosen is the only one to choose from.
      if (upstream.protocol === '') delete request.raw.headers['sec-websocket-protocol'];
      else request.raw.headers['sec-websocket-protocol'] = upstream.protocol;
      reply.hijack();
      reply.raw.detachSocket(socket as Socket);
      let isJoined = false;
      server.handleUpgrade(request.raw, socket, head, (client) => {
        isJoined = true;
        socket.off('close', giveUp);
        if (isWelcome !== undefined) void watch(client, isWelcome);
        pass(client, upstream);
        pass(upstream, client);
        upstream.resume();
      });
      if (!isJoined) upstream.terminate();
    },
  };
}

function ending(): Refusal {
  return new Refusal(503, 'ENDING', 'This instance ends; connect again.', { retryAfterSeconds: 1 });
}

function connectTo(target: URL, headers: IncomingHttpHeaders, timeoutMs: number): WebSocket {
  const { host: _host, 'sec-websocket-protocol': offered, ...others } = headers;
  // Those of the handshake are each connection's own.
  const own = Object.entries(others).filter(([name]) => !name.startsWith('sec-websocket-'));
  const options = { ...rules, headers: Object.fromEntries(own) as Record<string, string>, handshakeTimeout: timeoutMs };
  try {
    return new WebSocket(target, offered?.split(',').map((name) => name.trim()) ?? [], options);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Refusal(400, 'WEBSOCKET_INVALID', error.message);
  }
}

/** Resolves once it is open, or with the answer of a service that does not want it. */
async function opened(upstream: WebSocket): Promise<IncomingMessage | undefined> {
  const answer = Promise.withResolvers<IncomingMessage | undefined>();
  upstream.once('unexpected-response', (_request, response) => answer.resolve(response));
  upstream.once('error', answer.reject);
  upstream.once('open', () => {
    // Until there is somebody to pass messages to, they wait.
    upstream.pause();
    upstream.off('error', answer.reject);
    answer.resolve(undefined);
  });
  return await answer.promise;
}

async function answerAs(reply: FastifyReply, response: IncomingMessage): Promise<void> {
  const { statusCode = 502, headers } = response;
  const type = headers['content-type'];
  if (type !== undefined) reply.type(type);
  await reply.code(statusCode).send(await response.toArray().then((chunks) => Buffer.concat(chunks)));
}

/** One direction, and the end of it. Pings pass too: who sends them wants to know about the other end, not about us. */
function pass(from: WebSocket, to: WebSocket): void {
  from.on('message', (data: RawData, binary: boolean) => {
    to.send(data, { binary }, () => {
      if (from.isPaused && to.bufferedAmount < maxWaitingBytes) from.resume();
    });
    if (to.bufferedAmount >= maxWaitingBytes) from.pause();
  });
  from.on('ping', (data) => to.ping(data));
  from.on('pong', (data) => to.pong(data));
  from.on('error', () => from.terminate());
  from.on('close', (code, reason) => {
    // To hear that it closes too.
    if (to.isPaused) to.resume();
    if (code === 1005) to.close();
    else if (isSendable(code)) to.close(code, reason);
    else to.terminate();
  });
}

/** Some codes are only ever found out, never sent: 1006 is a connection that just ended. */
function isSendable(code: number): boolean {
  return (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || code >= 3000;
}
