import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import type { CallbackResponse } from '../../shared/coordination/callback/callback-answer.ts';
import { toCallbackProblem } from '../../shared/coordination/callback/callback-problem.ts';
import type { CallbackRun, ReconcileCallback } from '../../shared/coordination/callback/callback-run.ts';
import type { Callbacks } from '../../shared/coordination/callback/callbacks.ts';

export interface FastifyCallbackOptions {
  readonly callbacks: Pick<Callbacks, 'callback'>;
  readonly scope: string;
  /** The sender's id of the event. `body` holds the exact bytes; check the sender's signature over them in a `preHandler` or here. */
  readonly key: (request: FastifyRequest, body: Buffer) => string;
  readonly reconcile?: ReconcileCallback;
  /** How long a repetition waits for the delivery in progress. Default 0: it is answered with 409 at once. */
  readonly waitMs?: number;
}

export type FastifyCallbackHandler = (
  run: CallbackRun,
  request: FastifyRequest,
  body: Buffer,
) => CallbackResponse | undefined | Promise<CallbackResponse | undefined>;

/** Adds a POST route whose handler takes effect once for each key. */
export type AddCallbackRoute = (url: string, handler: FastifyCallbackHandler) => void;

/**
 * Routes for callbacks on a fastify app. They get the body as the bytes that came, whatever its content type; other routes keep
 * their parsers. Replays are equal byte for byte and carry `Drover-Replayed: true`. Refusals are problem+json: 409 with
 * Retry-After while in progress, 422 for another body, 503 with Retry-After while it cannot be decided. What the handler
 * throws goes to the app's error handler.
 *
 * ```ts
 * const callbackRoute = droverCallback(app, { callbacks, scope: 'stripe', key: (_request, body) => JSON.parse(String(body)).id });
 * callbackRoute('/hooks/stripe', async (run, _request, body) => ({ status: 200, body: 'ok' }));
 * ```
 */
export function droverCallback(app: FastifyInstance, options: FastifyCallbackOptions): AddCallbackRoute {
  const { callbacks, scope, key, reconcile, waitMs } = options;

  async function answer(request: FastifyRequest, reply: FastifyReply, handler: FastifyCallbackHandler) {
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    try {
      const call = {
        ...{ scope, body, key: key(request, body) },
        ...(reconcile === undefined ? {} : { reconcile }),
        ...(waitMs === undefined ? {} : { waitMs }),
      };
      const result = await callbacks.callback(call, (run) => handler(run, request, body));
      if (result.outcome === 'replayed') reply.header('drover-replayed', 'true');
      return reply.code(result.status).headers(result.headers).send(result.body);
    } catch (error) {
      const problem = toCallbackProblem(error);
      if (problem === undefined) throw error;
      return reply.code(problem.status).headers(problem.headers).send(problem.body);
    }
  }

  return (url, handler) => {
    app.register(async (routes) => {
      routes.removeAllContentTypeParsers();
      routes.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
      routes.post(url, (request, reply) => answer(request, reply, handler));
    });
  };
}
