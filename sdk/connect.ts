import { openCoordination } from '../shared/coordination/open-coordination.ts';
import { systemClock } from '../shared/runtime/clock.ts';
import { createLogger } from '../shared/runtime/logger.ts';
import { type ConnectOptions, resolveOptions } from './connect-options.ts';
import { createDrover, type Drover } from './drover.ts';

/**
 * Joins the coordination of this cluster. Returns at once: a Redis that cannot be reached is a state that ends by itself,
 * not an error, and `ready()` waits for it. Call it once per process and share the result; `close()` gives everything back.
 *
 * ```ts
 * const drover = connect();
 * await using lock = await drover.lock('order:42', { ttlMs: 10_000, waitMs: 2_000 });
 * ```
 * @throws DroverError ARGUMENT_INVALID when an option does not fit, or no address is known
 */
export function connect(options: ConnectOptions = {}): Drover {
  const resolved = resolveOptions(options, process.env, process.pid);
  const { clock = systemClock, logger = createLogger({ stream: process.stderr, level: 'warn', pretty: false }) } =
    options;
  const coordination = openCoordination({
    url: resolved.url,
    prefix: resolved.prefix,
    identity: resolved.identity,
    minReplicas: resolved.minReplicas,
    ...(resolved.guard === undefined ? {} : { guard: resolved.guard }),
    clock,
    logger,
  });
  return createDrover({
    coordination,
    host: resolved.host,
    quorum: resolved.quorum,
    serviceUrls: resolved.serviceUrls,
  });
}
