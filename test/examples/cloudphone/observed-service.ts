import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import type { Lifetime } from '../../support/lifetime.ts';

export interface Observed {
  readonly service: string;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly bodyBytes: number;
  readonly sha256: string;
}

/** Stands where a service of the platform would: answers what it was asked, and does as the path says. */
export interface ObservedService {
  readonly url: string;
  /** What has arrived, from when its headers were there. */
  readonly arrived: string[];
  /** Bytes of bodies that have arrived. */
  bodyBytes(): number;
  /** Answers what has been asked of `/…/later`, WebSockets too. */
  answerLater(): void;
}

export async function startObservedService(t: Lifetime, service: string): Promise<ObservedService> {
  const arrived: string[] = [];
  const later: (() => void)[] = [];
  let bodyBytes = 0;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    arrived.push(`${method} ${url}`);
    if (url.includes('/break-off')) return void request.socket.destroy();
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
      bodyBytes += chunk.length;
    }
    const observed: Observed = { service, method, url, headers, bodyBytes: bytes, sha256: hash.digest('hex') };
    const answerNow = () => {
      const busy = url.includes('/busy');
      response.writeHead(busy ? 503 : 200, {
        ...{ 'content-type': 'application/json', 'x-of-service': service, location: '/orders/1' },
        ...(busy ? { 'retry-after': '7' } : { 'keep-alive': 'timeout=55' }),
      });
      response.end(JSON.stringify(observed));
    };
    if (url.includes('/never')) return;
    if (url.includes('/later')) later.push(answerNow);
    else answerNow();
  }

  const server = createServer((request, response) => void answer(request, response).catch(() => undefined));
  const sockets = new WebSocketServer({
    server,
    verifyClient: ({ req: { url = '' } }, done) => {
      const acceptNow = () => done(!url.includes('refuse'), 401);
      if (!url.includes('later')) return acceptNow();
      arrived.push(`upgrade ${url}`);
      later.push(acceptNow);
    },
  });
  sockets.on('connection', (socket, { url, headers }) => {
    socket.send(JSON.stringify({ url, headers }));
    socket.on('message', (data, binary) => {
      if (String(data) === 'close') socket.close(4321, 'as asked');
      else socket.send(data, { binary });
    });
    socket.on('close', (code) => arrived.push(`close ${code}`));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.close();
    server.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    arrived,
    bodyBytes: () => bodyBytes,
    answerLater: () => {
      for (const done of later.splice(0)) done();
    },
  };
}
