import { connect } from 'drover';
import { durationMs } from '../shared/duration-ms.ts';
import { serve } from '../shared/serve.ts';
import { createTokenVerifier } from '../shared/tokens.ts';
import { trustRouters } from '../shared/trust-routers.ts';
import { wholeNumber } from '../shared/whole-number.ts';
import { buildGateway } from './routes.ts';

const { AUTH = 'optional', RATE_LIMIT = '6000', UPSTREAM_TIMEOUT = '30s', SOCKET_DRAIN = '2s' } = process.env;
if (AUTH !== 'optional' && AUTH !== 'required') throw new Error(`AUTH is "${AUTH}"; write optional or required`);
const rateLimit = wholeNumber('RATE_LIMIT', RATE_LIMIT);

const drover = connect();
// Who waits to be counted waits for little else: a Redis that hangs is not waited for, and the request passes.
const limits = drover.coordination.redis.duplicate({ commandTimeout: 250 });
limits.on('error', () => undefined);

const app = buildGateway({
  limits,
  limitPrefix: `${drover.coordination.prefix}:gateway:requests:`,
  rateLimit,
  urlOf: (service) => drover.service(service).url(),
  verifier: createTokenVerifier(drover),
  isTokenRequired: AUTH === 'required',
  upstreamTimeoutMs: durationMs('UPSTREAM_TIMEOUT', UPSTREAM_TIMEOUT),
  socketDrainMs: durationMs('SOCKET_DRAIN', SOCKET_DRAIN),
  // The router before this service.
  trustProxy: trustRouters(1, process.env.ROUTER_NETWORKS),
});
await serve(app, async () => {
  limits.disconnect();
  await drover.close();
});
