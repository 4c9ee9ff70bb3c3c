import type { lockOperations } from '../../../shared/contracts/coordination/lock-operations.ts';
import { createLocks } from '../../../shared/coordination/lock/locks.ts';
import { createRemoteLocks } from '../../../shared/coordination/lock/remote-locks.ts';
import type { Handlers } from '../handler.ts';
import type { HandlerDeps } from './handler-deps.ts';

type LockHandlers = Pick<Handlers, keyof typeof lockOperations>;

export function createLockHandlers({ services }: Pick<HandlerDeps, 'services'>): LockHandlers {
  const locks = createLocks(services);
  const remote = createRemoteLocks(services);
  return {
    listLocks: async ({ query: { match, limit } }) =>
      (await locks.list({ limit, ...(match === undefined ? {} : { match }) })).map(({ holders, waiters, ...lock }) => ({
        ...lock,
        holders: [...holders],
        waiters: [...waiters],
      })),
    acquireLock: async ({ params: { name }, body, signal }) => {
      const token = await remote.acquire({ name, ...body, signal });
      return { name, token, expiresInMs: body.ttlMs };
    },
    renewLock: async ({ params: { name }, body: { holder, ttlMs } }) => {
      const token = await remote.renew({ name, holder }, ttlMs);
      return { name, token, expiresInMs: ttlMs };
    },
    async releaseLock({ params: { name }, body: { holder } }) {
      await remote.release({ name, holder });
      return undefined;
    },
    async breakLock({ params: { name }, query: { token } }) {
      await locks.breakLock(name, token);
      return undefined;
    },
  };
}
