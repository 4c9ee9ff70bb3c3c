// One proxy made with an npm library (or with node:http alone), as its documentation shows it, with keep-alive to the
// upstreams and plain round-robin. Run as `node main.ts <name> <upstream port>...`; prints its port.
import { Agent, createServer, type IncomingMessage, request as requestUpstream, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { pipeline } from 'node:stream';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
type Modules = Record<string, unknown>;

const [name = '', ...ports] = process.argv.slice(2);
const targets = ports.map((port) => `http://127.0.0.1:${port}`);
const agent = new Agent({ keepAlive: true, maxSockets: 256 });
let turn = 0;
const nextTarget = (): string => targets[turn++ % targets.length] ?? '';

const load = async (specifier: string): Promise<Modules> => (await import(specifier)) as Modules;

const fail = (response: ServerResponse | Socket): void => {
  if ('writeHead' in response && !response.headersSent) response.writeHead(502).end();
  else response.destroy();
};

/** The shape that http-proxy, http-proxy-3 and httpxy share. */
interface WebProxy {
  web(request: IncomingMessage, response: ServerResponse, options: { target: string }): unknown;
  on(event: 'error', listener: (error: Error, request: unknown, response: ServerResponse | Socket) => void): unknown;
}

const webProxy = async (specifier: string): Promise<Handler> => {
  const modules = await load(specifier);
  const source = (modules.createProxyServer ?? (modules.default as Modules).createProxyServer) as (options: {
    agent: Agent;
  }) => WebProxy;
  const proxy = source({ agent });
  proxy.on('error', (_error, _request, response) => fail(response));
  return (request, response) => {
    proxy.web(request, response, { target: nextTarget() });
  };
};

const makers: Record<string, () => Promise<Handler>> = {
  'http-proxy': () => webProxy('http-proxy'),
  'http-proxy-3': () => webProxy('http-proxy-3'),
  httpxy: () => webProxy('httpxy'),

  'fast-proxy': async () => {
    const create = (await load('fast-proxy')).default as (options: object) => {
      proxy(request: IncomingMessage, response: ServerResponse, url: string | undefined, options: object): void;
    };
    const proxies = targets.map((base) => create({ base, undici: { connections: 256, pipelining: 1 } }));
    return (request, response) => proxies[turn++ % proxies.length]?.proxy(request, response, request.url, {});
  },

  undici: async () => {
    const Pool = (await load('undici')).Pool as new (
      target: string,
      options: object,
    ) => {
      stream(
        options: object,
        factory: (answer: { statusCode: number; headers: Record<string, string> }) => ServerResponse,
        done: (error: Error | null) => void,
      ): void;
    };
    const pools = targets.map((target) => new Pool(target, { connections: 256, pipelining: 1 }));
    return (request, response) => {
      const hasBody = request.headers['content-length'] !== undefined || 'transfer-encoding' in request.headers;
      const { connection: _hop, ...headers } = request.headers;
      pools[turn++ % pools.length]?.stream(
        { path: request.url, method: request.method, headers, body: hasBody ? request : null },
        (answer) => {
          delete answer.headers.connection;
          delete answer.headers['keep-alive'];
          return response.writeHead(answer.statusCode, answer.headers);
        },
        (error) => {
          if (error) fail(response);
        },
      );
    };
  },

  'node:http': async () => (request, response) => {
    const target = new URL(nextTarget());
    const upstream = requestUpstream(
      {
        agent,
        host: target.hostname,
        port: target.port,
        path: request.url,
        method: request.method,
        headers: request.headers,
      },
      (answer) => {
        if (response.destroyed) {
          answer.destroy();
          return;
        }
        response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        pipeline(answer, response, () => {});
      },
    );
    upstream.on('error', () => fail(response));
    request.pipe(upstream);
  },
};

const printPort = (address: AddressInfo): void => {
  process.stdout.write(`${address.port}\n`);
};

if (name === '@fastify/http-proxy') {
  const fastify = (await load('fastify')).default as (options: object) => {
    register(plugin: unknown, options: object): void;
    listen(options: object): Promise<string>;
    server: { address(): AddressInfo };
  };
  const app = fastify({});
  // Its balancing needs a hook per request; one upstream is its plain and fastest form.
  app.register((await load('@fastify/http-proxy')).default, {
    upstream: targets[0],
    undici: { connections: 256, pipelining: 1 },
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  printPort(app.server.address());
} else {
  const handler = await makers[name]?.();
  if (handler === undefined) throw new Error(`no proxy named "${name}"`);
  const server = createServer(handler);
  server.listen(0, '127.0.0.1', () => printPort(server.address() as AddressInfo));
}
