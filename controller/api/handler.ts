import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { OperationName, operations } from '../../shared/contracts/operations.ts';

type Table = typeof operations;
type Output<T, K extends string> = T extends { [P in K]: z.ZodType } ? z.output<T[K & keyof T] & z.ZodType> : undefined;

/** Who calls: a bearer of a token, a node by its certificate, or a service with the token that all services have. */
export type Caller =
  | { readonly kind: 'user'; readonly name: string }
  | { readonly kind: 'node'; readonly nodeId: string }
  | { readonly kind: 'service' }
  | { readonly kind: 'anonymous' };

/** What a handler gets: inputs as the contract parsed them. */
export interface HandlerInput<K extends OperationName> {
  readonly params: Output<Table[K], 'params'>;
  readonly query: Output<Table[K], 'query'>;
  readonly body: Output<Table[K], 'body'>;
  readonly caller: Caller;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** Aborted when the client goes away or the controller closes. */
  readonly signal: AbortSignal;
}

type Result<K extends OperationName> = Table[K] extends { stream: 'sse' }
  ? AsyncIterable<ServerSentEvent<Output<Table[K], 'response'>>>
  : Table[K] extends { stream: 'binary' }
    ? AsyncIterable<Buffer>
    : Table[K] extends { response: z.ZodType }
      ? Output<Table[K], 'response'>
      : undefined;

/** One event of a stream; `id` is what a client sends back as Last-Event-ID. A comment keeps the connection alive. */
export type ServerSentEvent<T> = { readonly data: T; readonly id?: string } | { readonly comment: string };

export type Handler<K extends OperationName> = (input: HandlerInput<K>) => Promise<Result<K>> | Result<K>;

/** One handler for each operation of the table; a missing one does not compile. */
export type Handlers = { readonly [K in OperationName]: Handler<K> };

/** The name an audit record gives the caller. */
export function actorOf(caller: Caller): string {
  switch (caller.kind) {
    case 'user':
      return `user:${caller.name}`;
    case 'node':
      return `node:${caller.nodeId}`;
    case 'service':
      return 'service';
    case 'anonymous':
      return 'anonymous';
  }
}
