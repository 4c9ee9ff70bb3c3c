import { createServer, IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { RouterConfig } from './config.ts';
import { Exchange } from './exchange.ts';
import type { ExchangeContext } from './exchange-context.ts';
import { problemBytes, type RouterProblem, routerProblems, sendProblem } from './problem-response.ts';
import { buildRequestHead } from './request-head.ts';
import { RoutedResponse } from './routed-response.ts';
import type { ServingTable } from './serving-table.ts';

/** How often Node looks for connections whose head has not arrived in time. */
const headTimeoutCheckMs = 1_000;

/** The HTTP server of one listener. */
export type Front = Server<typeof IncomingMessage, typeof RoutedResponse>;

export interface FrontDependencies {
  readonly table: ServingTable;
  readonly context: ExchangeContext;
  readonly limits: RouterConfig['limits'];
  readonly trustForwarded: boolean;
}

interface Arrival {
  readonly request: IncomingMessage;
  readonly response: RoutedResponse;
  readonly expectContinue: boolean;
  readonly upgradeBytes: Buffer | null;
}

/**
 * Makes the HTTP server of one listener (its number in the table), not yet listening. Node's parser, in its strict mode,
 * is the first judge of every request; `buildRequestHead` is the second.
 */
export function createFront(dependencies: FrontDependencies, listener: number): Front {
  const { table, context, limits, trustForwarded } = dependencies;

  function serve({ request, response, expectContinue, upgradeBytes }: Arrival): void {
    const remoteAddress = request.socket.remoteAddress ?? '';
    const options = { trustForwarded, expectContinue, upgrade: upgradeBytes !== null };
    // After an upgrade that was not taken Node does not see what the client sent right behind it on the connection.
    if (upgradeBytes === null && request.headers.upgrade !== undefined) response.shouldKeepAlive = false;
    const head = buildRequestHead(request, remoteAddress, options);
    if ('status' in head) {
      context.failures.badRequest++;
      response.shouldKeepAlive = false;
      sendProblem(response, { status: head.status, code: 'REQUEST_INVALID', detail: head.detail });
      return;
    }
    const service = table.match(listener, head.host, head.path);
    if (service === null) {
      context.failures.noRoute++;
      if (expectContinue || context.isDraining) response.shouldKeepAlive = false;
      sendProblem(response, routerProblems.noRoute);
      return;
    }
    const exchange = new Exchange(context, { request, response, service, head, expectContinue, upgradeBytes });
    response.startInTurn(() => exchange.start(), request.socket);
  }

  const server = createServer({
    IncomingMessage,
    ServerResponse: RoutedResponse,
    insecureHTTPParser: false,
    requireHostHeader: true,
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headTimeoutMs,
    connectionsCheckingInterval: headTimeoutCheckMs,
    // Uploads may take as long as they make progress; the exchange watches that.
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    noDelay: true,
    // Only WebSocket: an h2c upgrade would be a second, unchecked protocol into the services.
    shouldUpgradeCallback: isWebSocketUpgrade,
  });
  // Node would silently leave out the fields past a maximum; the size of the head is the limit.
  server.maxHeadersCount = 0;
  server.maxConnections = limits.maxConnections;

  server.on('request', (request, response) => {
    serve({ request, response, expectContinue: false, upgradeBytes: null });
  });
  server.on('checkContinue', (request, response) => {
    serve({ request, response, expectContinue: true, upgradeBytes: null });
  });
  server.on('checkExpectation', (_request, response) => {
    context.failures.badRequest++;
    response.shouldKeepAlive = false;
    response.writeHead(417).end();
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, upgradeBytes: Buffer) => {
    const response = adoptSocket(request, socket as Socket);
    if (!isWebSocketUpgrade(request)) {
      context.failures.badRequest++;
      sendProblem(response, routerProblems.badUpgrade);
      return;
    }
    serve({ request, response, expectContinue: false, upgradeBytes });
  });
  server.on('connect', (_request, socket: Duplex) => {
    context.failures.badRequest++;
    socket.on('error', () => socket.destroy());
    socket.end(problemBytes(routerProblems.noConnect));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code !== 'ECONNRESET') context.failures.badRequest++;
    answerClientError(error, socket as Socket);
  });
  return server;
}

function isWebSocketUpgrade(request: IncomingMessage): boolean {
  return (
    request.method === 'GET' &&
    request.headers.upgrade?.toLowerCase() === 'websocket' &&
    request.headers['content-length'] === undefined &&
    request.headers['transfer-encoding'] === undefined
  );
}

/** A response on a connection that Node has let go of, for when the service does not upgrade it; it ends the connection. */
function adoptSocket(request: IncomingMessage, socket: Socket): RoutedResponse {
  const response = new RoutedResponse(request);
  response.shouldKeepAlive = false;
  socket.on('error', () => socket.destroy());
  const onDrain = (): void => {
    response.emit('drain');
  };
  socket.on('drain', onDrain);
  response.assignSocket(socket);
  response.on('finish', () => {
    socket.off('drain', onDrain);
    socket.end();
  });
  return response;
}

function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  // After a part of a response anything written would be read as more of it.
  const current = (socket as Socket & { _httpMessage?: RoutedResponse | null })._httpMessage;
  if (!socket.writable || error.code === 'ECONNRESET' || current?.headersSent) {
    socket.destroy();
    return;
  }
  socket.end(problemBytes(clientProblems[error.code ?? ''] ?? routerProblems.badRequest));
  current?.exchange?.abandon();
  socket.destroySoon();
}

const clientProblems: Record<string, RouterProblem> = {
  HPE_HEADER_OVERFLOW: { status: 431, code: 'REQUEST_INVALID', detail: 'The request head is too long.' },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: 413, code: 'REQUEST_INVALID', detail: 'The chunk extensions are too long.' },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: 'REQUEST_TIMEOUT',
    detail: 'The request head did not arrive in time.',
  },
};
