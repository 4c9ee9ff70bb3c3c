import type { z } from 'zod';
import type { ErrorCode } from './error-code.ts';

/** One REST operation. Query parameters arrive as strings, hence `z.coerce` in their schemas. */
export interface Operation {
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** fastify style, `:name` for parameters. */
  readonly path: string;
  readonly summary: string;
  /**
   * none: open. token: bearer token. services: bearer token, also the one that services are given. node: client
   * certificate of a node. any: token or certificate.
   */
  readonly auth: 'none' | 'token' | 'services' | 'node' | 'any';
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** Media type of the body where it is not JSON. */
  readonly bodyType?: 'application/octet-stream';
  readonly status: 200 | 201 | 202 | 204;
  readonly response?: z.ZodType;
  /** `sse` streams `response` objects as events; `binary` is application/octet-stream. */
  readonly stream?: 'sse' | 'binary';
  readonly errors: readonly ErrorCode[];
}
