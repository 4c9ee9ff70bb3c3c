import { test } from 'node:test';
import { expiredOrders } from '../../scripts/verify/checks/expired-orders.ts';
import { disturbances } from '../../scripts/verify/disturbances.ts';
import { verify } from '../../scripts/verify/verification.ts';
import { verificationList } from '../../scripts/verify/verification-list.ts';
import { verifyDuring } from '../../scripts/verify/verify-during.ts';
import { assertAllKept, openCloudphone } from './open-cloudphone.ts';

const scale = { devices: 6, callbacks: 30 };

test('the cloudphone platform keeps its verification list while a host and the leader are killed', async (t) => {
  const platform = await openCloudphone(t);

  for (const name of ['host-kill', 'leader-kill'] as const) {
    const disturbance = disturbances[name];
    await t.test(disturbance.title, async (t) => {
      const results = await verifyDuring({ platform, list: verificationList, scale, disturbance });
      for (const result of results) assertAllKept(t, result);
    });
  }

  await t.test('each tick runs once, and each expired order expires once', async (t) => {
    const check = expiredOrders({ platform, ticks: 30, during: ['leader-kill', 'host-kill'] });
    assertAllKept(t, await verify(check, { platform }));
  });
});
