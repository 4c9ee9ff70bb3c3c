import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Platform } from '../../scripts/verify/platform.ts';
import { type RunningExample, runExample } from '../examples/run-example.ts';
import type { Lifetime } from '../support/lifetime.ts';
import { ownPort } from '../support/own-port.ts';
import { tempDirectory } from '../support/temp-directory.ts';

const directory = fileURLToPath(new URL('../../examples/cloudphone/before', import.meta.url));
const services = ['device-service', 'billing-service', 'notification-service', 'app-service'] as const;
type Service = (typeof services)[number];
/** More devices than a check makes here. */
const portsOfKind = 30;

interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

/**
 * examples/cloudphone/before with `count` instances of each service, behind a router that takes them in turn, and under
 * the paths that the platform has now: the same checks can be made. One instance is told of twice, for checks that want two.
 */
export async function openBefore(t: Lifetime, count: 1 | 2): Promise<Platform> {
  const shared = tempDirectory(t);
  // Ports of devices are counted from here on, those of one kind up to the first of the next.
  const firstPort = await ownPort(3 * portsOfKind);
  const environments: Record<Service, Record<string, string>> = {
    'device-service': {
      ADB_FROM: String(firstPort),
      WEBRTC_FROM: String(firstPort + portsOfKind),
      SCRCPY_FROM: String(firstPort + 2 * portsOfKind),
    },
    'billing-service': { DATABASE_FILE: join(shared, 'billing.db') },
    'notification-service': {},
    'app-service': {},
  };
  const start = (service: Service, index: number): Promise<RunningExample> =>
    runExample(
      t,
      join(directory, `${service}.js`),
      { ...environments[service], UPLOADS_DIR: join(shared, `host-${index}`) },
      { path: '/health' },
    );
  const slots = Array.from({ length: count }, (_, index) => index);
  const translate = createTranslator();
  const instances = new Map<string, string[]>();
  const urls = new Map<string, string>();
  let devices: readonly RunningExample[] = [];
  for (const service of services) {
    const running = await Promise.all(slots.map((index) => start(service, index)));
    if (service === 'device-service') devices = running;
    // Sockets go straight to their instance: a front knows requests only.
    const fronts =
      service === 'notification-service'
        ? running.map(({ url }) => url)
        : await Promise.all(running.map(({ url }) => openFront(t, translate([url]))));
    instances.set(service, count === 1 ? [...fronts, ...fronts] : fronts);
    urls.set(service, await openFront(t, translate(running.map(({ url }) => url))));
  }
  const sessions = await Promise.all(slots.map(() => openFront(t, rememberSessions())));
  instances.set('user-service', count === 1 ? [...sessions, ...sessions] : sessions);
  urls.set('user-service', await openFront(t, translate(sessions)));
  const gateway = await openFront(t, actAsGateway(urls));
  instances.set('api-gateway', [gateway]);
  urls.set('api-gateway', gateway);
  return {
    env: {},
    get drover() {
      return `printf '%s' '${devices.map(({ output }) => output()).join('')}'; :`;
    },
    url: (service) => urls.get(service)!,
    instances: async (service) => instances.get(service)!.map((url, slot) => ({ url, name: `#${slot} here` })),
    addressOf: async () => '127.0.0.1',
  };
}

type Handler = (request: Request) => Promise<Response>;

/** To each instance in turn, with the paths and bodies of now in those of then. */
function createTranslator(): (targets: readonly string[]) => Handler {
  const parts = new Map<string, number>();
  return (targets) => {
    let turn = 0;
    return async (request) => {
      const url = targets[turn++ % targets.length]!;
      const { method, path } = request;
      if (method === 'POST' && path === '/uploads') {
        const { sizeBytes, partBytes } = JSON.parse(request.body.toString()) as {
          sizeBytes: number;
          partBytes: number;
        };
        const id = randomUUID();
        parts.set(id, Math.ceil(sizeBytes / partBytes));
        return Response.json({ id }, { status: 201 });
      }
      const completed = /^\/uploads\/([\w-]+)\/complete$/.exec(path);
      if (completed !== null) {
        const body = Buffer.from(JSON.stringify({ parts: parts.get(completed[1]!) }));
        return await forward(url, { ...request, body, headers: { 'content-type': 'application/json' } });
      }
      return await forward(url, { ...request, path: path.replace(/^\/users\/(\w+)\/balance$/, '/balances/$1') });
    };
  };
}

/** One instance, of which every answer says so. */
function actAsGateway(urls: ReadonlyMap<string, string>): Handler {
  const routes = [
    [/^\/api\/(?=devices)/, 'device-service'],
    [/^\/api\/billing\//, 'billing-service'],
    [/^\/api\/(?=uploads|apps)/, 'app-service'],
    [/^\/api\/(?=users)/, 'user-service'],
  ] as const;
  return async (request) => {
    if (request.path === '/health') return Response.json({ instance: 'instance-0', host: 'here' });
    const route = routes.find(([prefix]) => prefix.test(request.path));
    if (route === undefined) return Response.json({ error: 'there is nothing here' }, { status: 404 });
    const [prefix, service] = route;
    return await forward(urls.get(service)!, { ...request, path: request.path.replace(prefix, '/') });
  };
}

/** A user-service that keeps users and sessions in its own memory, as many do at first. */
function rememberSessions(): Handler {
  const users = new Map<string, string>();
  const tokens = new Set<string>();
  return async ({ path, body, headers }) => {
    const token = headers.authorization?.slice('Bearer '.length) ?? '';
    if (path === '/users/me') return new Response('{}', { status: tokens.has(token) ? 200 : 401 });
    if (path === '/users/logout') return new Response('{}', { status: tokens.delete(token) ? 200 : 401 });
    const { username, password } = JSON.parse(body.toString()) as { username: string; password: string };
    if (path === '/users/register') {
      const status = users.has(username) ? 409 : 201;
      users.set(username, password);
      return new Response('{}', { status });
    }
    if (users.get(username) !== password) return new Response('{}', { status: 401 });
    const issued = randomUUID();
    tokens.add(issued);
    return Response.json({ token: issued });
  };
}

async function forward(url: string, { method, path, headers, body }: Request): Promise<Response> {
  return await fetch(`${url}${path}`, {
    method,
    headers: headers['content-type'] === undefined ? {} : { 'content-type': headers['content-type'] },
    ...(body.length === 0 ? {} : { body: new Uint8Array(body) }),
  });
}

async function openFront(t: Lifetime, handle: Handler): Promise<string> {
  const server = createServer(async (incoming, outgoing) => {
    const body = await readBody(incoming);
    const headers = Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]));
    const request = { method: incoming.method!, path: incoming.url!, headers, body };
    const response = await handle(request).catch((error: Error) => new Response(error.message, { status: 502 }));
    outgoing.writeHead(response.status, { 'content-type': response.headers.get('content-type') ?? 'text/plain' });
    outgoing.end(Buffer.from(await response.arrayBuffer()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function readBody(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
