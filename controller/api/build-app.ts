import Fastify, { type FastifyInstance } from 'fastify';
import { DroverError, isDroverError } from '../../shared/contracts/drover-error.ts';
import type { Operation } from '../../shared/contracts/operation.ts';
import { operations } from '../../shared/contracts/operations.ts';
import { toProblem } from '../../shared/contracts/problem.ts';
import type { Logger } from '../../shared/runtime/logger.ts';
import type { Authenticator } from './authenticate.ts';
import { renderErrorPage } from './error-page.ts';
import type { Handlers } from './handler.ts';
import { renderOpenApi } from './openapi.ts';
import { registerOperation } from './register-operation.ts';

export interface AppDeps {
  readonly handlers: Handlers;
  readonly authenticator: Authenticator;
  readonly logger: Logger;
  readonly version: string;
  readonly tls: { readonly key: string; readonly cert: string; readonly ca: string };
  readonly maxBodyBytes: number;
  /** Ready to answer: the store can be reached. */
  readonly isReady: () => boolean;
}

/** A spec with a large env fits; artifacts stream past this limit. */
const jsonBodyBytes = 4 * 1_048_576;

/**
 * From the first byte of a request to its last: the largest artifact over a link of 1 Mbit/s, and an end for a sender that
 * stalls. A stream that we send is not limited.
 */
const requestTimeoutMs = 1_800_000;

/** The REST face of a controller, apart from its main: tests use `inject` on what this returns. */
export function buildApp(deps: AppDeps): FastifyInstance {
  const { handlers, authenticator, logger, version, tls } = deps;
  const closing = new AbortController();
  const app = Fastify({
    https: { ...tls, requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.2' },
    logger: false,
    bodyLimit: jsonBodyBytes,
    forceCloseConnections: true,
    requestTimeout: requestTimeoutMs,
    genReqId: () => crypto.randomUUID(),
    routerOptions: { ignoreTrailingSlash: true },
  }) as unknown as FastifyInstance;

  app.addContentTypeParser('application/octet-stream', { bodyLimit: deps.maxBodyBytes }, (_request, payload, done) =>
    done(null, payload),
  );
  app.addHook('preClose', async () => closing.abort());
  app.addHook('onSend', async (request, reply, payload) => {
    reply.header('x-request-id', request.id);
    reply.header('cache-control', 'no-store');
    return payload;
  });

  app.setErrorHandler((error, request, reply) => {
    const known = toDroverError(error);
    const context = { requestId: request.id, method: request.method, url: request.url.split('?')[0], code: known.code };
    if (known.status >= 500 && known.code !== 'STORE_UNREACHABLE')
      logger.error('request failed', { ...context, error });
    else logger.debug('request refused', { ...context, reason: known.message });
    if (known.code === 'STORE_UNREACHABLE') reply.header('retry-after', '1');
    reply
      .code(known.status)
      .type('application/problem+json')
      .send(JSON.stringify(toProblem(known, request.id)));
  });
  app.setNotFoundHandler((request) => {
    throw new DroverError(
      'ROUTE_NOT_FOUND',
      `There is no ${request.method} ${request.url.split('?')[0]}; /openapi.json lists all operations`,
    );
  });

  for (const name of Object.keys(operations) as (keyof Handlers)[]) {
    const handler = handlers[name] as Parameters<typeof registerOperation>[2];
    registerOperation(app, operations[name] as Operation, handler, { authenticator, closing: closing.signal });
  }

  app.get('/healthz', async () => ({ status: 'ok', version }));
  app.get('/readyz', async (_request, reply) => {
    const ready = deps.isReady();
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'store unreachable' });
  });
  const openapi = JSON.stringify(renderOpenApi(version));
  app.get('/openapi.json', async (_request, reply) => reply.type('application/json').send(openapi));
  app.get('/docs/errors', async (_request, reply) => reply.type('text/html; charset=utf-8').send(renderErrorPage()));
  return app;
}

function toDroverError(error: unknown): DroverError {
  if (isDroverError(error)) return error;
  const { statusCode, code, message } = error as { statusCode?: number; code?: string; message?: string };
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new DroverError('ARTIFACT_TOO_LARGE', 'The body is larger than this controller accepts', { cause: error });
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new DroverError('ARGUMENT_INVALID', `The request cannot be read: ${message ?? code}`, {
      issues: [{ path: 'body', reason: message ?? 'is not readable' }],
      cause: error,
    });
  }
  return new DroverError(
    'INTERNAL',
    'The controller met a defect of its own; its log has the details under this request id',
    { cause: error },
  );
}
