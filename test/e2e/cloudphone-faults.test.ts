import { test } from 'node:test';
import { expiredOrders } from '../../scripts/verify/checks/expired-orders.ts';
import { type Disturbance, disturbances } from '../../scripts/verify/disturbances.ts';
import { verify } from '../../scripts/verify/verification.ts';
import { verificationList } from '../../scripts/verify/verification-list.ts';
import { verifyDuring } from '../../scripts/verify/verify-during.ts';
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

test('the cloudphone platform keeps its verification list while the leader and a host are killed', async (t) => {
  const platform = await openCloudphone(t);

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
