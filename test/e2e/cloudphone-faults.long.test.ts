import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askOnce } from '../../scripts/verify/ask.ts';
import { expiredOrders } from '../../scripts/verify/checks/expired-orders.ts';
import { type Disturbance, disturbances } from '../../scripts/verify/disturbances.ts';
import { verify } from '../../scripts/verify/verification.ts';
import { verificationList } from '../../scripts/verify/verification-list.ts';
import { verifyDuring } from '../../scripts/verify/verify-during.ts';
import type { Lifetime } from '../support/lifetime.ts';
import { skipWithoutPostgres, startPostgres } from '../support/postgres.ts';
import { assertAllKept, openCloudphone } from './open-cloudphone.ts';

const scale = { devices: 6, callbacks: 30 };

/** `npm run verify -- --during all` does one after the other. */
const deaths: Disturbance = {
  title: 'the leader is killed, and then a host',
  mayFail: true,
  async act(platform, claim) {
    await disturbances['leader-kill'].act(platform, claim);
    await disturbances['host-kill'].act(platform, claim);
  },
};

async function onPostgres(lifetime: Lifetime): Promise<Record<string, string>> {
  const { host, port, user, database } = (await startPostgres(lifetime)).config;
  // Old and new instances of four services share the forty connections that it has.
  return {
    DATABASE_URL: `postgres://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`,
    DATABASE_POOL_SIZE: '2',
  };
}

test('the cloudphone platform keeps its verification list while the leader and a host are killed', async (t) => {
  // The other file has SQLite. Where there is no PostgreSQL this one has it too.
  t.diagnostic(skipWithoutPostgres || 'on PostgreSQL');
  const platform = await openCloudphone(t, async (lifetime) =>
    skipWithoutPostgres === false ? await onPostgres(lifetime) : {},
  );
  const { dialect } = (await askOnce(`${platform.url('billing-service')}/health`)).body;
  assert.equal(dialect, skipWithoutPostgres === false ? 'postgres' : 'sqlite');

  await t.test(deaths.title, async (t) => {
    for (const result of await verifyDuring({ platform, list: verificationList, scale, disturbance: deaths })) {
      assertAllKept(t, result);
    }
  });

  await t.test('meanwhile each tick runs once, and each expired order expires once', async (t) => {
    const check = expiredOrders({ platform, ticks: 20, during: ['leader-kill', 'host-kill'] });
    assertAllKept(t, await verify(check, { platform }));
  });
});
