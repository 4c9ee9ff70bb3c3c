import { once } from 'node:events';
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import { describeIssues, toIssues } from '../../shared/contracts/issues.ts';
import type { Operation } from '../../shared/contracts/operation.ts';
import { childAbort } from '../../shared/runtime/child-abort.ts';
import type { Authenticator } from './authenticate.ts';
import type { Caller, ServerSentEvent } from './handler.ts';

interface AnyInput {
  params: unknown;
  query: unknown;
  body: unknown;
  caller: Caller;
  request: FastifyRequest;
  reply: FastifyReply;
  signal: AbortSignal;
}

/** Comment lines keep proxies and clients from taking a quiet stream for a dead one. */
const keepAliveMs = 10_000;

/**
 * Makes a route of one operation: authenticate, parse each input by its schema, call the handler, answer as the table
 * says. JSON, server-sent events and binary streams all pass here, so no handler knows about HTTP.
 */
export function registerOperation(
  app: FastifyInstance,
  operation: Operation,
  handler: (input: AnyInput) => unknown,
  { authenticator, closing }: { authenticator: Authenticator; closing: AbortSignal },
): void {
  app.route({
    method: operation.method,
    url: operation.path,
    async handler(request, reply) {
      const caller = await authenticator.authenticate(request, operation.auth);
      const gone = childAbort(closing);
      reply.raw.once('close', () => gone.abort());
      const input: AnyInput = {
        params: parse(operation.params, request.params, 'path'),
        query: parse(operation.query, request.query, 'query'),
        body: operation.bodyType === undefined ? parse(operation.body, request.body, 'body') : request.body,
        caller,
        request,
        reply,
        signal: gone.signal,
      };
      const result = await handler(input);
      reply.code(operation.status);
      switch (operation.stream) {
        case 'sse':
          await sendEvents(reply, result as AsyncIterable<ServerSentEvent<unknown>>, input.signal);
          return reply;
        case 'binary':
          return reply
            .type('application/octet-stream')
            .send(Readable.from(result as AsyncIterable<Buffer>, { objectMode: false }));
        case undefined:
          return operation.response === undefined ? reply.send() : reply.send(result);
      }
    },
  });
}

function parse(schema: z.ZodType | undefined, value: unknown, where: string): unknown {
  if (schema === undefined) return undefined;
  const result = schema.safeParse(value ?? {});
  if (result.success) return result.data;
  const issues = toIssues(result.error, where === 'body' ? '' : where);
  throw new DroverError('ARGUMENT_INVALID', `The request does not fit the contract: ${describeIssues(issues)}`, {
    issues,
  });
}

async function sendEvents(
  reply: FastifyReply,
  events: AsyncIterable<ServerSentEvent<unknown>>,
  signal: AbortSignal,
): Promise<void> {
  const iterator = events[Symbol.asyncIterator]();
  // The first event is awaited before the head is sent, so that an error still gets its status.
  let next = await iterator.next();
  reply.hijack();
  const response = reply.raw;
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  const timer = setInterval(() => response.write(': keep-alive\n\n'), keepAliveMs);
  try {
    while (!next.done && !signal.aborted && !response.destroyed) {
      if (!response.write(formatEvent(next.value))) await once(response, 'drain', { signal }).catch(() => undefined);
      next = await iterator.next();
    }
    if (!signal.aborted) response.write('event: end\ndata: {}\n\n');
  } catch (error) {
    // The head is gone; say it in the stream and let the client resume from its last id.
    response.write(`event: error\ndata: ${JSON.stringify({ message: (error as Error).message })}\n\n`);
  } finally {
    clearInterval(timer);
    await iterator.return?.();
    response.end();
  }
}

function formatEvent(event: ServerSentEvent<unknown>): string {
  if ('comment' in event) return `: ${event.comment}\n\n`;
  const id = event.id === undefined ? '' : `id: ${event.id}\n`;
  return `${id}data: ${JSON.stringify(event.data)}\n\n`;
}
