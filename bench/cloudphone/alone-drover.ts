import { connect as connectAll } from '../../sdk/connect.ts';
import type { ConnectOptions } from '../../sdk/connect-options.ts';
import type { Drover } from '../../sdk/drover.ts';
import type { CallbackTable } from '../../shared/coordination/callback/sql-callback-table.ts';
import type { PortAllocation } from '../../shared/coordination/port-pool/port-allocation.ts';
import type { SqlDatabase } from '../../shared/coordination/sql.ts';

/**
 * The package `drover` with nothing in place of what requests wait for: as if each service were the only instance. What runs
 * beside the requests (presence, elections, the relay of the outbox) is left as it is, so that a service with this package
 * differs from one with the real one in the calls of its requests alone.
 */
export function connect(options?: ConnectOptions): Drover {
  const drover = connectSessions(options);
  const redis = withoutSharedState(drover.coordination.redis);
  return replacing(drover, { coordination: replacing(drover.coordination, { redis }) });
}

/** As above, but sessions and rate limits are shared in Redis, as they are wherever a gateway has several instances. */
export function connectSessions(options?: ConnectOptions): Drover {
  const drover = connectAll(options);
  return replacing(drover, {
    callbacks: callbacksAlone,
    ports: async ({ pools }: Parameters<Drover['ports']>[0]) => portsAlone(drover.host, pools),
    topic: (name: string) => replacing(drover.topic(name), { publish: async () => 0 }),
    direct: (name: string) => replacing(drover.direct(name), { send: async () => 0 }),
    inbox: (name: string, kept: never) => replacing(drover.inbox(name, kept), { put: async () => undefined }),
  });
}

/** A transaction is left, which the effect of a callback needs anyway. */
export function createSqlCallbackTable({ database }: { readonly database: SqlDatabase }): CallbackTable {
  return Object.assign(
    { create: async () => undefined, prune: async () => 0 },
    { database },
  ) as unknown as CallbackTable;
}

function callbacksAlone({ database }: { readonly database: { readonly database: SqlDatabase } }) {
  return {
    callback: ({ scope, key }: { scope: string; key: string }, handler: (run: object) => Promise<object>) =>
      database.database.transaction(async (transaction) => {
        const { signal } = new AbortController();
        const run = {
          scope,
          key,
          token: 1,
          attempt: 1,
          takenOver: false,
          signal,
          assert: () => undefined,
          transaction,
        };
        return { outcome: 'processed', headers: {}, ...(await handler(run)) };
      }),
  };
}

/** Ports counted up, remembered here alone: what device-service of `before` does. */
function portsAlone(host: string, pools: Readonly<Record<string, { readonly from: number }>>) {
  const allocations = new Map<string, PortAllocation>();
  let taken = 0;
  return {
    async allocate(wanted: Readonly<Record<string, number>>, { requestId: id }: { requestId: string }) {
      const known = allocations.get(id);
      if (known !== undefined) return known;
      taken += 1;
      const ports = Object.fromEntries(Object.keys(wanted).map((pool) => [pool, [pools[pool]!.from + taken]]));
      const { signal } = new AbortController();
      const release = async () => void allocations.delete(id);
      const allocation = { id, host, owner: id, ports, token: taken, signal, assertHeld: () => undefined, release };
      allocations.set(id, allocation);
      return allocation;
    },
    async adopt({ id }: { readonly id: string }) {
      const found = allocations.get(id);
      if (found !== undefined) return found;
      throw new Error(`there is no allocation ${id}`);
    },
    list: async () => [...allocations.keys()].map((allocationId) => ({ allocationId, state: 'leased' })),
    usage: async () => ({}),
    close: async () => undefined,
  };
}

/** The session of a token is taken for alive, and requests are counted by nobody. */
function withoutSharedState(redis: Drover['coordination']['redis']) {
  return replacing(redis, {
    hget: (key: string, field: string) =>
      key.includes(':users:sessions:') ? Promise.resolve(String(Date.now() + 60_000)) : redis.hget(key, field),
    duplicate: () => ({ on: () => undefined, disconnect: () => undefined, eval: async () => [1, 60_000] }),
  });
}

/** The same object but for some of its members. */
function replacing<T extends object>(original: T, members: Readonly<Record<string, unknown>>): T {
  return new Proxy(original, {
    get(target, name) {
      if (typeof name === 'string' && name in members) return members[name];
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
