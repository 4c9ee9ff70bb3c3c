import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createCallbacks } from '../../../shared/coordination/callback/callbacks.ts';
import { createElection } from '../../../shared/coordination/election/election.ts';
import { createLease } from '../../../shared/coordination/lease/lease.ts';
import { createLocks } from '../../../shared/coordination/lock/locks.ts';
import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { createPortPools } from '../../../shared/coordination/port-pool/port-pools.ts';
import { eventually } from '../../support/eventually.ts';
import { startRedis } from '../../support/redis.ts';

/** Long enough that a wait which begins anew with each look would never be over. */
const ttlMs = 1000;
const withinMs = 6000;

for (const guard of ['data', 'failover'] as const) {
  test(`leases, elections, locks, callbacks and ports wait once for a new server, and for each other not at all (guard ${guard})`, async (t) => {
    const redis = await startRedis(t);
    const coordination = openCoordination({ url: redis.url, identity: 'host/1', guard });
    t.after(() => coordination.close());
    await coordination.ready();
    const locks = createLocks(coordination);
    const lease = createLease({ ...coordination, name: 'poller', ttlMs });
    const election = createElection(coordination, 'leader', { ttlMs });
    const standing = election.campaign({
      onElected: (_term, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
    });
    const callbacks = createCallbacks(coordination, { processingMs: ttlMs });
    const pools = await createPortPools(coordination, {
      ...{ host: 'host', pools: { adb: { from: 5555, to: 5560 } }, ownerTtlMs: ttlMs, checksBind: false },
    });
    const got = new Set<string>();
    const look = async (what: string, ask: () => Promise<unknown>) => {
      if (!got.has(what) && (await ask().catch(() => false))) got.add(what);
    };
    await eventually(
      async () => {
        await Promise.all([
          look('lease', async () => (await lease.acquire()).held),
          look('lock', () => locks.tryLock('order', { ttlMs })),
          look('write lock', () => locks.writeLock('prices', { ttlMs, waitMs: 0 })),
          look('callback', () => callbacks.callback({ scope: 'pay', key: 'evt', body: '{}' }, () => ({ body: 'ok' }))),
          look('ports', () => pools.allocate({ adb: 1 }, { signal: AbortSignal.timeout(200) })),
          look('election', async () => standing.term !== undefined),
        ]);
        assert.deepEqual([...got].sort(), ['callback', 'election', 'lease', 'lock', 'ports', 'write lock']);
      },
      { timeoutMs: withinMs, intervalMs: 150 },
    );
    await standing.close();
    await pools.close();
  });
}
