import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { z } from 'zod';
import { DroverError, isDroverError } from '../../shared/contracts/drover-error.ts';
import { toIssues } from '../../shared/contracts/issues.ts';
import type { Operation } from '../../shared/contracts/operation.ts';
import { type OperationName, operations } from '../../shared/contracts/operations.ts';
import { toProblem } from '../../shared/contracts/problem.ts';
import type { Lifetime } from './lifetime.ts';
import { ownPort } from './own-port.ts';

export interface FakeCall {
  readonly operation: OperationName;
  readonly params: Record<string, string>;
  readonly query: Record<string, unknown>;
  readonly body: unknown;
  readonly headers: IncomingMessage['headers'];
  readonly response: ServerResponse;
}

/** Answers an operation: the response body, an iterable of stream events, or a thrown DroverError. */
export type FakeHandler = (call: FakeCall) => unknown;
export type FakeHandlers = { [N in OperationName]?: FakeHandler };

export interface FakeStreamEvent {
  readonly id?: string;
  readonly data: unknown;
}

export interface FakeRest {
  readonly url: string;
  /** All calls that matched an operation, in order. */
  readonly calls: FakeCall[];
  /** May be changed while it runs. */
  readonly handlers: FakeHandlers;
  callsOf(operation: OperationName): FakeCall[];
  /** Closes all connections and stops listening, as a killed controller does. */
  kill(): Promise<void>;
  /** Listens again on the same port. */
  revive(): Promise<void>;
}

export const fakeToken = 'token-of-the-fake-controller';

/** Handled by code, not by a response schema. */
export const hangUp = Symbol('the connection is cut without an answer');

/**
 * A controller's REST face over plain HTTP, made from the same table of operations: paths, statuses, media types, authentication and
 * input checks are the real ones; only what the handlers answer is made up.
 */
export async function startFakeRest(t: Lifetime, handlers: FakeHandlers = {}): Promise<FakeRest> {
  const calls: FakeCall[] = [];
  const routes = Object.entries(operations).map(([name, operation]) => ({
    name: name as OperationName,
    operation: operation as Operation,
    pattern: new RegExp(`^${operation.path.replaceAll(/:(\w+)/g, '(?<$1>[^/]+)')}$`),
  }));

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fake');
    if (url.pathname === '/healthz' || url.pathname === '/readyz') return send(response, 200, { status: 'ok' });
    for (const { name, operation, pattern } of routes) {
      const match = operation.method === request.method ? pattern.exec(url.pathname) : null;
      if (match === null) continue;
      const bytes = await readBody(request);
      if (operation.auth !== 'none' && request.headers.authorization !== `Bearer ${fakeToken}`) {
        throw new DroverError('TOKEN_INVALID', 'The bearer token is not one of this cluster');
      }
      const params = Object.fromEntries(
        Object.entries(match.groups ?? {}).map(([key, value]) => [key, decodeURIComponent(value)]),
      );
      const call: FakeCall = {
        operation: name,
        params,
        query: (check(operation.query, Object.fromEntries(url.searchParams)) ?? {}) as Record<string, unknown>,
        body:
          operation.bodyType === undefined
            ? check(operation.body, bytes.length > 0 ? JSON.parse(bytes.toString()) : {})
            : bytes,
        headers: request.headers,
        response,
      };
      calls.push(call);
      const handler = handlers[name];
      if (handler === undefined) throw new DroverError('INTERNAL', `This fake has no answer to ${name}`);
      const result = await handler(call);
      if (result === hangUp) return void request.socket.destroy();
      if (operation.stream === 'sse') return sendEvents(response, result as AsyncIterable<FakeStreamEvent>);
      if (operation.stream === 'binary') return void response.writeHead(200).end(result);
      return operation.response === undefined
        ? void response.writeHead(operation.status).end()
        : send(response, operation.status, result);
    }
    throw new DroverError('ROUTE_NOT_FOUND', `There is no ${request.method} ${url.pathname}`);
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error) => {
      if (response.headersSent) return response.destroy();
      const known = isDroverError(error) ? error : new DroverError('INTERNAL', String(error));
      send(response, known.status, toProblem(known), 'application/problem+json');
    });
  });
  // It comes back there after `kill`, and nobody else must have come meanwhile.
  const port = await ownPort();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');

  async function kill(): Promise<void> {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }
  t.after(kill);
  return {
    url: `http://127.0.0.1:${port}`,
    calls,
    handlers,
    callsOf: (operation) => calls.filter((call) => call.operation === operation),
    kill,
    async revive() {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
  };
}

function check(schema: z.ZodType | undefined, value: unknown): unknown {
  if (schema === undefined) return undefined;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new DroverError('ARGUMENT_INVALID', 'The request does not fit the contract', {
    issues: toIssues(result.error),
  });
}

function send(response: ServerResponse, status: number, body: unknown, type = 'application/json'): void {
  response.writeHead(status, { 'content-type': type }).end(JSON.stringify(body));
}

async function sendEvents(response: ServerResponse, events: AsyncIterable<FakeStreamEvent>): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for await (const { id, data } of events) {
    response.write(`${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`);
  }
  response.end('event: end\ndata: {}\n\n');
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
