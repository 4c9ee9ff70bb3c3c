import type { IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import proxy from '@fastify/http-proxy';
import rateLimit from '@fastify/rate-limit';
import staticFiles from '@fastify/static';
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import type { Redis } from 'ioredis';
import { describeInstance } from '../shared/instance.ts';
import { answerErrors, Refusal } from '../shared/refusal.ts';
import { type CallerOptions, type CheckedBy, findCaller } from './caller.ts';
import { headersForClient, headersForService } from './forwarded-headers.ts';
import { isForWebSocket, relaySockets } from './relay-sockets.ts';
import { requestCounts } from './request-counts.ts';
import { isWorthAnotherTry, notAvailable, upstreamFailure } from './upstream-failure.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Base URL of the service that the request is for. */
    upstream: string;
  }
}

/** What the proxy hands over, whatever its types say. */
interface ServiceAnswer {
  readonly headers: IncomingHttpHeaders;
  readonly stream: Readable;
}

interface Row {
  readonly path: string;
  readonly service: string;
  /** What `path` is at the service. */
  readonly servicePath: string;
  readonly checkedBy: CheckedBy;
}

const routes: readonly Row[] = [
  { path: '/api/users', service: 'user-service', servicePath: '/users', checkedBy: 'service' },
  {
    path: '/.well-known/jwks.json',
    service: 'user-service',
    servicePath: '/.well-known/jwks.json',
    checkedBy: 'service',
  },
  { path: '/api/devices', service: 'device-service', servicePath: '/devices', checkedBy: 'gateway' },
  { path: '/api/uploads', service: 'app-service', servicePath: '/uploads', checkedBy: 'gateway' },
  { path: '/api/apps', service: 'app-service', servicePath: '/apps', checkedBy: 'gateway' },
  { path: '/api/billing', service: 'billing-service', servicePath: '/', checkedBy: 'gateway' },
  { path: '/api/notifications', service: 'notification-service', servicePath: '/notifications', checkedBy: 'gateway' },
];

/** Clients of Socket.IO say who they are after they have connected, so the service looks at it. */
const sockets: readonly Row[] = [
  { path: '/notifications', service: 'notification-service', servicePath: '/notifications', checkedBy: 'gateway' },
  { path: '/socket.io/', service: 'notification-service', servicePath: '/socket.io/', checkedBy: 'service' },
];

export interface GatewayDeps extends CallerOptions {
  /** Where a service is reached. */
  readonly urlOf: (service: string) => Promise<string>;
  /** Counts requests for all instances. Its commands should give up soon: then requests pass. */
  readonly limits: Redis;
  readonly limitPrefix: string;
  /** Requests in a minute of one user, or without a token of one address. */
  readonly rateLimit: number;
  readonly upstreamTimeoutMs: number;
  readonly socketDrainMs: number;
  readonly socketLookMs: number;
  /** Whose word counts for the address of the client. */
  readonly trustProxy: (address: string, hop: number) => boolean;
}

/** A service on this network answers in milliseconds. */
const connectTimeoutMs = 2000;
const retryMs = 50;

/** Scripts, styles and connections of the page are ours alone. */
const pageHeaders = {
  'content-security-policy': "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

export function buildGateway(deps: GatewayDeps): FastifyInstance {
  const app = fastify({
    trustProxy: deps.trustProxy,
    return503OnClosing: false,
    // An offer of any other protocol is not taken: Node would hand over its request without the body.
    http: { shouldUpgradeCallback: isForWebSocket },
  });
  answerErrors(app);
  app.get('/health', () => describeInstance('api-gateway'));
  app.register(staticFiles, {
    root: join(import.meta.dirname, 'page'),
    cacheControl: false,
    setHeaders: (reply) => void reply.headers({ ...pageHeaders, 'cache-control': 'no-cache' }),
  });
  app.register(async (api) => await addServices(api, deps));
  return app;
}

async function addServices(api: FastifyInstance, deps: GatewayDeps): Promise<void> {
  const callerOf = findCaller(deps);
  const relay = relaySockets(api, {
    ...{ drainMs: deps.socketDrainMs, lookMs: deps.socketLookMs, connectTimeoutMs },
  });
  // Bodies pass as they come, whatever they are.
  api.removeAllContentTypeParsers();
  api.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  api.decorateRequest('caller');
  api.decorateRequest('upstream', '');
  await api.register(rateLimit, {
    store: requestCounts({ redis: deps.limits, prefix: deps.limitPrefix }),
    skipOnError: true,
    max: deps.rateLimit,
    timeWindow: 60_000,
    // After it is known who asks, and before anything is done for them.
    hook: 'preValidation',
    keyGenerator: ({ caller, ip }) =>
      caller.userId === undefined ? `address:${rateLimit.normalizeIP(ip)}` : `user:${caller.userId}`,
    errorResponseBuilder: (_request, { max, ttl }) =>
      new Refusal(429, 'RATE_LIMITED', `More than ${max} requests in a minute. Try again later.`, {
        allowed: max,
        retryAfterSeconds: Math.ceil(ttl / 1000),
      }),
  });

  for (const row of routes) {
    await api.register(async (scope) => {
      resolve(scope, row);
      await scope.register(proxy, {
        prefix: row.path,
        rewritePrefix: row.servicePath,
        upstream: '',
        disableRequestLogging: true,
        proxyPayloads: false,
        destroyAgent: true,
        undici: { connect: { timeout: connectTimeoutMs }, headersTimeout: deps.upstreamTimeoutMs },
        replyOptions: {
          getUpstream: ({ upstream }) => upstream,
          rewriteRequestHeaders: (request, headers) => headersForService(request, headers, row.checkedBy),
          rewriteHeaders: headersForClient,
          onResponse: (_request, reply, answer) =>
            void answerConfirmed(reply as unknown as FastifyReply, answer as unknown as ServiceAnswer),
          retryDelay: ({ req, err, attempt }) => (isWorthAnotherTry(req.method, err, attempt) ? retryMs : null),
          onError: (reply, { error }) => {
            const failure = () => reply.send(upstreamFailure(row.service, error));
            reply.request.caller.confirmed?.then(failure, (refusal) => reply.send(refusal)) ?? failure();
          },
        },
      });
    });
  }
  for (const row of sockets) {
    await api.register(async (scope) => {
      resolve(scope, row);
      scope.get(row.path, async (request, reply) => {
        await request.caller.confirmed;
        const url = new URL(row.servicePath, request.upstream.replace(/^http/, 'ws'));
        url.search = new URL(request.url, request.upstream).search;
        // Whose it is goes on as x-user-id: addresses are written to logs, where tokens have no place.
        if (row.checkedBy === 'gateway') url.searchParams.delete('token');
        const headers = headersForService(request, request.headers, row.checkedBy);
        try {
          await relay.join(request, reply, { url, headers, isWelcome: request.caller.isWelcome });
        } catch (error) {
          throw error instanceof Refusal ? error : upstreamFailure(row.service, error);
        }
        return reply;
      });
    });
  }

  /** All that has to be known before a request is passed on. */
  function resolve(scope: FastifyInstance, { service, checkedBy }: Row): void {
    scope.addHook('onRequest', async (request) => {
      request.caller = await callerOf(request, checkedBy);
    });
    scope.addHook('preHandler', async (request) => {
      const { refusal, confirmed } = request.caller;
      if (refusal !== undefined) throw refusal;
      // What only reads is under way meanwhile.
      if (!isReading(request.method)) await confirmed;
      request.upstream = await deps.urlOf(service).catch((error) => {
        console.error(`${service}: ${(error as Error).message}`);
        throw notAvailable(service);
      });
    });
  }
}

function isReading(method: string): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** The answer of a service, unless the session of the token has turned out to be ended. */
async function answerConfirmed(reply: FastifyReply, answer: ServiceAnswer): Promise<void> {
  try {
    await reply.request.caller.confirmed;
  } catch (refusal) {
    // Its end before its time is no news.
    answer.stream.on('error', () => undefined).destroy();
    for (const name of Object.keys(answer.headers)) reply.removeHeader(name);
    reply.send(refusal);
    return;
  }
  reply.send(answer.stream);
}
