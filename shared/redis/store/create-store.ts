import type { Redis } from 'ioredis';
import { leaseKeys } from '../../coordination/lease/lease-keys.ts';
import type { Logger } from '../../runtime/logger.ts';
import { createKeys, electionPrefix } from '../keys.ts';
import { createArtifactStore } from './artifact-store.ts';
import { createClusterStore } from './cluster-store.ts';
import { createDeploymentStore } from './deployment-store.ts';
import { createEventStore } from './event-store.ts';
import { createInstanceStore } from './instance-store.ts';
import { createJoinTokenStore } from './join-token-store.ts';
import { createLeaderStore } from './leader-store.ts';
import { createNodeStore } from './node-store.ts';
import { createRouteStore } from './route-store.ts';
import { createServiceStore } from './service-store.ts';
import type { Store } from './store.ts';
import { createStoreContext } from './store-context.ts';
import { createWake } from './wake.ts';

/** The election whose term every leader action carries. */
export const leaderElection = 'controller';

export interface StoreOptions {
  /** For commands. The caller keeps it: the store neither connects nor closes it. */
  readonly redis: Redis;
  /** For messages only; another connection than `redis`. */
  readonly subscriber: Redis;
  /** Of all keys of this cluster, the election's too. */
  readonly prefix: string;
  readonly logger: Logger;
  /** The longest a command may take. Default 2000: twice a slow failover's reply, well below the patience of a person. */
  readonly commandTimeoutMs?: number;
}

const defaultCommandTimeoutMs = 2_000;

/** The store on one Redis. Resolves at once, whether Redis can be reached or not. */
export async function createStore(options: StoreOptions): Promise<Store> {
  const { redis, subscriber, prefix, logger, commandTimeoutMs = defaultCommandTimeoutMs } = options;
  const keys = createKeys(prefix);
  const context = createStoreContext({
    redis,
    keys,
    leaseKeys: leaseKeys(leaderElection, electionPrefix(prefix)),
    commandTimeoutMs,
  });
  const wake = await createWake(subscriber, keys, logger);
  return {
    cluster: createClusterStore(context),
    nodes: createNodeStore(context),
    services: createServiceStore(context),
    deployments: createDeploymentStore(context),
    instances: createInstanceStore(context),
    routes: createRouteStore(context),
    artifacts: createArtifactStore(context),
    joinTokens: createJoinTokenStore(context),
    events: createEventStore(context),
    leader: createLeaderStore(context),
    onWake: (listener) => wake.add(listener),
    close: () => wake.close(),
  };
}
