import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, type RequestListener, request, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { isAlive } from '../../../agent/process/process-identity.ts';
import { signalProcess } from '../../../agent/process/signal-process.ts';
import { connectRouter, type RouterClient } from '../../../agent/router/client.ts';
import type { RouterSettings } from '../../../agent/router/config.ts';
import { launchRouter, type RouterRecord } from '../../../agent/router/launch.ts';
import type { Acknowledgement, ConfiguredService, EndpointNotice } from '../../../agent/router/protocol.ts';
import { eventually } from '../../support/eventually.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

export interface TestRouter {
  readonly record: RouterRecord;
  readonly client: RouterClient;
  readonly acks: Acknowledgement[];
  readonly notices: EndpointNotice[];
  readonly settings: RouterSettings;
  readonly url: string;
  /** Sends the next table of generation "g" and resolves with its acknowledgement. */
  route(services: readonly ConfiguredService[]): Promise<Acknowledgement>;
  lastAck(): Acknowledgement | undefined;
}

/** Starts a router process with a control connection; both end with the test. */
export async function startRouter(t: Lifetime, settings: Partial<RouterSettings> = {}): Promise<TestRouter> {
  const directory = settings.stateDirectory ?? tempDirectory(t);
  const complete: RouterSettings = {
    stateDirectory: directory,
    socketPath: join(directory, 'control.sock'),
    listen: '127.0.0.1:0',
    drainTimeoutMs: 5_000,
    ...settings,
  };
  const record = await launchRouter({ settings: complete, timeoutMs: 20_000 });
  t.after(() => endRouter(record));
  const acks: Acknowledgement[] = [];
  const notices: EndpointNotice[] = [];
  const client = await connectRouter({
    socketPath: record.socketPath,
    onAck: (ack) => acks.push(ack),
    onEndpoint: (notice) => notices.push(notice),
  });
  t.after(() => client.close());
  let epoch = Math.max(client.epoch, 0);
  return {
    record,
    client,
    acks,
    notices,
    settings: complete,
    url: `http://127.0.0.1:${record.port}`,
    lastAck: () => acks.at(-1),
    route: async (services) => {
      epoch++;
      client.sendTable({ epoch, generation: 'g', services });
      return eventually(() => acks.find((ack) => ack.epoch === epoch) ?? false);
    },
  };
}

/** SIGKILL, as a crash; resolves when the process is gone. */
export async function endRouter(record: RouterRecord): Promise<void> {
  signalProcess(record, 'SIGKILL');
  await eventually(() => !isAlive(record));
}

/** One service "web" that takes every path of the shared listener. */
export function web(ports: readonly number[], more: Partial<ConfiguredService> = {}): ConfiguredService {
  return {
    name: 'web',
    routes: [{ path: '/' }],
    endpoints: ports.map((port) => endpoint(port)),
    ...more,
  };
}

export function endpoint(port: number): ConfiguredService['endpoints'][number] {
  return { instanceId: `i-${port}`, revision: 1, address: '127.0.0.1', port, weight: 1 };
}

export interface TestWorker {
  readonly server: Server;
  readonly port: number;
}

/** A worker: a plain Node HTTP server on a free port. */
export async function startWorker(t: Lifetime, listener: RequestListener): Promise<TestWorker> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { server, port: (server.address() as AddressInfo).port };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly trailers: IncomingMessage['trailers'];
  readonly body: string;
}

export interface Call {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
  readonly agent?: Agent;
}

/** One request; rejects when the connection fails or the response is cut short. */
export function call(url: string, { method, path, headers, body, agent }: Call = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { method: method ?? 'GET', agent: agent ?? false, ...(headers ? { headers } : {}) };
    const sent = request(new URL(path ?? '/', url), options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode: status = 0, headers: received, trailers } = response;
        resolve({ status, headers: received, trailers, body: Buffer.concat(chunks).toString() });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** A connection that nobody has closed by then is not closed at all. */
const rawCallTimeoutMs = 10_000;

/**
 * Sends raw bytes and resolves with all that came until the other side closed, or until `until` says it is enough; rejects with
 * what has come when neither happens.
 */
export function rawCall(
  port: number,
  bytes: string | Buffer,
  until: (text: string) => boolean = () => false,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (until(text)) socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // A reset after the answer is how a server closes on a client that still sends.
      if (text === '' && error.code !== 'ECONNRESET') reject(error);
    });
    const giveUp = setTimeout(() => {
      reject(new Error(`the connection was not closed after ${JSON.stringify(text.slice(0, 1_000))}`));
      socket.destroy();
    }, rawCallTimeoutMs);
    socket.on('close', () => {
      clearTimeout(giveUp);
      resolve(text);
    });
  });
}

/** A keep-alive agent that ends with the test. */
export function keepAliveAgent(t: Lifetime): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  t.after(() => agent.destroy());
  return agent;
}
