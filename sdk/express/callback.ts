import type { IncomingMessage, ServerResponse } from 'node:http';

import { DroverError } from '../../shared/contracts/drover-error.ts';
import type { CallbackResponse } from '../../shared/coordination/callback/callback-answer.ts';
import { toCallbackProblem } from '../../shared/coordination/callback/callback-problem.ts';
import type { CallbackRun, ReconcileCallback } from '../../shared/coordination/callback/callback-run.ts';
import type { Callbacks } from '../../shared/coordination/callback/callbacks.ts';

/** A request of node:http, or of a framework that builds on it. */
type Request = IncomingMessage & { body?: unknown };

export interface ExpressCallbackOptions<R extends Request> {
  readonly callbacks: Pick<Callbacks, 'callback'>;
  readonly scope: string;
  /** The sender's id of the event. `body` holds the exact bytes that came. */
  readonly key: (request: R, body: Buffer) => string;
  readonly reconcile?: ReconcileCallback;
  /** How long a repetition waits for the delivery in progress. Default 0: it is answered with 409 at once. */
  readonly waitMs?: number;
  /** Of a body that no parser has read before. Default 1 MiB. */
  readonly bodyLimitBytes?: number;
}

export type ExpressCallbackHandler<R extends Request> = (
  run: CallbackRun,
  request: R,
  body: Buffer,
) => CallbackResponse | undefined | Promise<CallbackResponse | undefined>;

/** Callbacks are small; more than this is a mistake or an attack. */
const defaultBodyLimitBytes = 1024 * 1024;

/**
 * A middleware for Express, and whatever takes `(request, response, next)`, whose handler takes effect once for each key. It
 * reads the body itself, or takes the Buffer of `express.raw({ type: '*' + '/*' })`; behind another parser the exact bytes are gone
 * and it refuses. Answers as the fastify plugin does; what the handler throws goes to `next`.
 *
 * ```ts
 * app.post('/hooks/stripe', droverCallback({ callbacks, scope: 'stripe', key: (_request, body) => JSON.parse(String(body)).id },
 *   async (run) => ({ status: 200, body: 'ok' })));
 * ```
 */
export function droverCallback<R extends Request>(
  options: ExpressCallbackOptions<R>,
  handler: ExpressCallbackHandler<R>,
): (request: R, response: ServerResponse, next: (error?: unknown) => void) => Promise<void> {
  const { callbacks, scope, key, reconcile, waitMs, bodyLimitBytes = defaultBodyLimitBytes } = options;

  return async (request, response, next) => {
    try {
      const body = await readBody(request, bodyLimitBytes);
      const call = {
        ...{ scope, body, key: key(request, body) },
        ...(reconcile === undefined ? {} : { reconcile }),
        ...(waitMs === undefined ? {} : { waitMs }),
      };
      const result = await callbacks.callback(call, (run) => handler(run, request, body));
      const replayed: Record<string, string> = result.outcome === 'replayed' ? { 'drover-replayed': 'true' } : {};
      end(response, { ...result, headers: { ...result.headers, ...replayed } });
    } catch (error) {
      const problem = toCallbackProblem(error);
      if (problem === undefined) next(error);
      else end(response, problem);
    }
  };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Node's own methods: those of Express would add a charset to the content type. */
function end(response: ServerResponse, { status, headers, body }: Answer): void {
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.end(body);
}

async function readBody(request: Request, limitBytes: number): Promise<Buffer> {
  if (Buffer.isBuffer(request.body)) return request.body;
  if (request.readableEnded || request.readableDidRead) {
    throw refuse('was read by a parser', 'exact bytes: put the callback before body parsers, or behind express.raw');
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limitBytes) throw refuse('is too large', `at most ${limitBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function refuse(reason: string, allowed: string): DroverError {
  const issues = [{ path: 'body', reason, allowed }];
  return new DroverError('ARGUMENT_INVALID', `The body of the callback ${reason}; allowed: ${allowed}.`, { issues });
}
