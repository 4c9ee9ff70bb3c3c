import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { devicePorts } from '../../scripts/verify/checks/device-ports.ts';
import { loadBalancing } from '../../scripts/verify/checks/load-balancing.ts';
import { notifications } from '../../scripts/verify/checks/notifications.ts';
import { payment } from '../../scripts/verify/checks/payment.ts';
import { sessions } from '../../scripts/verify/checks/sessions.ts';
import { uploads } from '../../scripts/verify/checks/uploads.ts';
import { type Verification, verify } from '../../scripts/verify/verification.ts';
import { openBefore } from './open-before.ts';

const scale = { devices: 6, callbacks: 20 };

/** What each check promises that one instance keeps and two do not. */
const promises: [Verification, RegExp[]][] = [
  [devicePorts, [/^two devices do not share a port of one host$/, /^no two devices on one host share a port$/]],
  [payment, [/^two callbacks credit once$/]],
  [notifications, [/^what is sent through one instance reaches a Socket\.IO on another$/]],
  [uploads, [/^all instances complete it to one app$/]],
  [sessions, [/^every instance knows the token$/]],
];

test('the services as they were fail each check with two instances, and keep the same promises with one', async (t) => {
  for (const count of [1, 2] as const) {
    await t.test(`${count} of each`, async (t) => {
      const platform = await openBefore(t, count);
      for (const [verification, wanted] of promises) {
        const { claims } = await verify(verification, { platform, scale });
        for (const promise of wanted) {
          const claim = claims.find((one) => promise.test(one.promise));
          const seen = claims.map(({ kept, promise, measured }) => `${kept} ${promise} (${measured})`).join('\n');
          assert.ok(claim, `${verification.name} does not come to ${promise}:\n${seen}`);
          assert.equal(claim.kept, count === 1, `${verification.name} with ${count}:\n${seen}`);
          show(t, claim.promise, claim.measured);
        }
      }
    });
  }
});

test('one instance of api-gateway fails the check of load balancing', async (t) => {
  const platform = await openBefore(t, 1);
  const { claims } = await verify(loadBalancing, { platform, scale });
  assert.deepEqual(
    claims.map(({ kept }) => kept),
    [false, false],
  );
});

function show(t: TestContext, promise: string, measured: string): void {
  t.diagnostic(`${promise}: ${measured}`);
}
