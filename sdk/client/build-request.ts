import type { z } from 'zod';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import { describeIssues, toIssues } from '../../shared/contracts/issues.ts';
import type { Operation } from '../../shared/contracts/operation.ts';
import type { BinaryBody } from './operation-types.ts';

export interface RequestParts {
  readonly params?: Record<string, unknown> | undefined;
  readonly query?: Record<string, unknown> | undefined;
  readonly body?: unknown;
}

/** A request that any controller may be sent. */
export interface BuiltRequest {
  readonly method: Operation['method'];
  /** Path and query. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | BinaryBody;
  /** Sending it twice has the effect of sending it once, so a lost answer is no reason to give up. */
  readonly repeatable: boolean;
}

/**
 * Checks the input of an operation against its contract and lays it out as an HTTP request.
 * @throws DroverError ARGUMENT_INVALID naming each field; nothing has been sent then.
 */
export function buildRequest(operation: Operation, parts: RequestParts): BuiltRequest {
  const params = check(operation.params, parts.params ?? {}, 'params');
  const query = check(operation.query, parts.query ?? {}, 'query');
  const binary = operation.bodyType === undefined ? undefined : (parts.body as BinaryBody);
  const body = binary === undefined ? check(operation.body, parts.body ?? {}, 'body') : undefined;

  const path = operation.path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(params?.[name])));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined) search.set(name, String(value));
  const target = search.size === 0 ? path : `${path}?${search}`;
  const { method } = operation;
  const repeatable =
    method === 'GET' || binary !== undefined || (method === 'PUT' && body?.idempotencyKey !== undefined);
  if (binary !== undefined) {
    const headers = { 'content-type': operation.bodyType!, 'content-length': String(binary.bytes) };
    return { method, target, headers, body: binary, repeatable };
  }
  if (body === undefined) return { method, target, headers: {}, repeatable };
  const text = JSON.stringify(body);
  const headers = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) };
  return { method, target, headers, body: text, repeatable };
}

function check(schema: z.ZodType | undefined, value: unknown, part: string): Record<string, unknown> | undefined {
  if (schema === undefined) return undefined;
  const result = schema.safeParse(value);
  if (result.success) return result.data as Record<string, unknown>;
  const issues = toIssues(result.error, part === 'body' ? '' : part);
  throw new DroverError('ARGUMENT_INVALID', `The request was not sent: ${describeIssues(issues)}`, { issues });
}
