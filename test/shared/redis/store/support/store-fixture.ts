import type { Redis } from 'ioredis';
import type { Node } from '../../../../../shared/contracts/entities.ts';
import type { LeaderAction } from '../../../../../shared/contracts/leader-action.ts';
import { type ServiceSpec, type ServiceSpecInput, serviceSpecSchema } from '../../../../../shared/contracts/spec.ts';
import { leaseKeys } from '../../../../../shared/coordination/lease/lease-keys.ts';
import { electionPrefix } from '../../../../../shared/redis/keys.ts';
import { createStore, leaderElection } from '../../../../../shared/redis/store/create-store.ts';
import type { DeployRequest, Store } from '../../../../../shared/redis/store/store.ts';
import { silentLogger } from '../../../../../shared/runtime/logger.ts';
import type { Lifetime } from '../../../../support/lifetime.ts';
import { startRedis, type TestRedis } from '../../../../support/redis.ts';

export const term = 1_700_000_000_000_007;

export interface StoreFixture {
  readonly redis: TestRedis;
  /** Looks at the data, past the store. */
  readonly client: Redis;
  readonly store: Store;
  readonly prefix: string;
}

let stores = 0;

/** A Redis for one test file and, for each test, a store under a prefix of its own. */
export async function startStores(lifetime: Lifetime): Promise<(t: Lifetime) => Promise<StoreFixture>> {
  const redis = await startRedis(lifetime);
  return (t) => openStore(t, redis, `test${++stores}`);
}

export async function openStore(t: Lifetime, redis: TestRedis, prefix: string): Promise<StoreFixture> {
  const client = redis.client();
  const subscriber = redis.client();
  const store = await createStore({ redis: client, subscriber, prefix, logger: silentLogger, commandTimeoutMs: 2_000 });
  t.after(async () => {
    await store.close();
    client.disconnect();
    subscriber.disconnect();
  });
  return { redis, client, store, prefix };
}

/** Makes `epoch` the term of the leader, as an election does. */
export async function lead({ client, prefix }: StoreFixture, epoch = term): Promise<void> {
  const keys = leaseKeys(leaderElection, electionPrefix(prefix));
  await client.mset(keys.lease, 'token leader', keys.epoch, String(epoch));
}

export function apply({ store }: StoreFixture, action: LeaderAction, epoch = term): Promise<boolean> {
  return store.leader.apply(epoch, 'c1', action);
}

export function node(name: string, change: Partial<Node> = {}): Node {
  return {
    id: `node-${name}`,
    name,
    address: '127.0.0.1',
    cores: 2,
    memoryBytes: 2 ** 34,
    ports: { from: 20_000, to: 20_999 },
    labels: {},
    router: false,
    version: '0.1.0',
    eligibility: 'eligible',
    state: 'ready',
    joinedAt: 1_700_000_000_000,
    heartbeat: 0,
    heartbeatAt: 1_700_000_000_000,
    ...change,
  };
}

/** Joins nodes with a token that has no limit. */
export async function join({ store }: StoreFixture, ...nodes: readonly Node[]): Promise<void> {
  const token = { id: 'tok', createdAt: 1, createdBy: 'user:admin', expiresAt: null, usesLeft: null, revoked: false };
  await store.joinTokens.create({ ...token, labels: {} }, 'hash', 'user:admin');
  for (const one of nodes) await store.nodes.join({ tokenId: 'tok', secretHash: 'hash', node: one });
}

export function spec(name: string, change: Partial<ServiceSpecInput> = {}): ServiceSpec {
  return serviceSpecSchema.parse({ name, script: 'server.js', ...change });
}

export function request(of: ServiceSpec, change: Partial<DeployRequest> = {}): DeployRequest {
  return { spec: of, artifact: null, actor: 'user:admin', kind: 'deploy', update: of.update, ...change };
}

export function create(
  instanceId: string,
  service: string,
  change: Partial<Extract<LeaderAction, { type: 'createInstance' }>> = {},
): LeaderAction {
  return {
    type: 'createInstance',
    instanceId,
    service,
    slot: 0,
    target: { revision: 1, generation: 0 },
    nodeId: 'node-a',
    deploymentId: null,
    port: 'own',
    reason: 'the slot is empty',
    ...change,
  };
}
