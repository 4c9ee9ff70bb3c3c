import { connect } from 'drover';
import { durationMs } from '../shared/duration-ms.ts';
import { isUserRequired } from '../shared/is-user-required.ts';
import { serve } from '../shared/serve.ts';
import { createTokenVerifier } from '../shared/tokens.ts';
import { trustRouters } from '../shared/trust-routers.ts';
import { wholeNumber } from '../shared/whole-number.ts';
import { buildGateway } from './routes.ts';

const { RATE_LIMIT = '6000', UPSTREAM_TIMEOUT = '30s', SOCKET_DRAIN = '2s', SOCKET_LOOK = '10s' } = process.env;
const isTokenRequired = isUserRequired(process.env);
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
  isTokenRequired,
  upstreamTimeoutMs: durationMs('UPSTREAM_TIMEOUT', UPSTREAM_TIMEOUT),
  socketDrainMs: durationMs('SOCKET_DRAIN', SOCKET_DRAIN),
  socketLookMs: durationMs('SOCKET_LOOK', SOCKET_LOOK),
  // The router before this service.
  trustProxy: trustRouters(1, process.env.ROUTER_NETWORKS),
});
await serve(app, async () => {
  limits.disconnect();
  await drover.close();
});
