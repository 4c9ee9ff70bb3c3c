import type { Handlers } from '../handler.ts';
import { createArtifactHandlers } from './artifacts.ts';
import { createCallbackHandlers } from './callbacks.ts';
import { createChannelHandlers } from './channels.ts';
import { createClusterHandlers } from './cluster.ts';
import { createCronHandlers } from './crons.ts';
import { createDiscoveryHandlers } from './discovery.ts';
import type { HandlerDeps } from './handler-deps.ts';
import { createLockHandlers } from './locks.ts';
import { createPortHandlers } from './ports.ts';
import { createServiceHandlers } from './services.ts';
import { createStreamHandlers } from './streams.ts';

export function createHandlers(deps: HandlerDeps): Handlers {
  return {
    ...createClusterHandlers(deps),
    ...createServiceHandlers(deps),
    ...createArtifactHandlers(deps),
    ...createStreamHandlers(deps),
    ...createLockHandlers(deps),
    ...createCronHandlers(deps),
    ...createCallbackHandlers(deps),
    ...createPortHandlers(deps),
    ...createChannelHandlers(deps),
    ...createDiscoveryHandlers(deps),
  };
}
