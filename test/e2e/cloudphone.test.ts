import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runDrover } from '../../scripts/cluster/run-drover.ts';
import { rollingDeploys } from '../../scripts/verify/disturbances.ts';
import { verify } from '../../scripts/verify/verification.ts';
import { verificationList } from '../../scripts/verify/verification-list.ts';
import { verifyDuring } from '../../scripts/verify/verify-during.ts';
import { openBrowser, withoutChromium } from '../support/chromium.ts';
import { eventually } from '../support/eventually.ts';
import { assertAllKept, openCloudphone } from './open-cloudphone.ts';

/** Each device is a process: 200 of them are for `npm run verify`. */
const scale = { devices: 40, callbacks: 100 };

test('the cloudphone platform keeps its verification list on three hosts', async (t) => {
  const platform = await openCloudphone(t);

  for (const verification of verificationList) {
    await t.test(verification.title, async (t) => assertAllKept(t, await verify(verification, { platform, scale })));
  }

  await t.test(
    'a person sees on the page that an order is paid, while notification-service is redeployed',
    { skip: withoutChromium },
    async (t) => {
      const { openPage } = await openBrowser(t);
      const { page, errors } = await openPage({ locale: 'en-US' });
      const connected = () => page.waitForSelector('#connection[data-state="connected"]');
      await page.goto(platform.url('api-gateway'));
      await page.locator('#user-id').fill('visitor');
      await page.locator('#user-form button').click();
      await connected();

      await page.getByLabel('Name of the device').fill('my phone');
      await page.getByRole('button', { name: 'Create' }).click();
      const device = page.locator('#device-rows tr');
      await device.locator('[data-field="state"]', { hasText: 'running' }).waitFor();

      let isOver = false;
      const reloading = runDrover(['reload', 'notification-service'], { env: platform.cluster.env }).finally(() => {
        isOver = true;
      });
      // One order after the other: some are paid before the page has lost its connection, some while it has none.
      const paid = page.locator('#order-rows [data-field="status"][data-value="PAID"]');
      let orders = 0;
      while (!isOver) {
        await page.getByRole('button', { name: 'Order', exact: true }).click();
        await page.locator('#order-rows button[data-action="pay"]').first().click();
        orders += 1;
        await eventually(async () => assert.equal(await paid.count(), orders), { timeoutMs: 20_000 });
      }
      assert.equal((await reloading).code, 0);
      await connected();
      const told = page.locator('#notification-list li', { hasText: 'Order paid' });
      await eventually(async () => assert.equal(await told.count(), orders), { timeoutMs: 20_000 });
      await device.locator('button[data-action="delete"]').click();
      await device.waitFor({ state: 'detached' });
      assert.deepEqual(errors, []);
      t.diagnostic(`${orders} orders were paid during the deploy`);
    },
  );

  await t.test('the same list during a rolling deploy of every service, and no request fails', async (t) => {
    const results = await verifyDuring({
      platform,
      list: verificationList,
      scale: { devices: 10, callbacks: 50 },
      disturbance: rollingDeploys({ atOnce: true }),
    });
    for (const result of results) assertAllKept(t, result);
  });
});
