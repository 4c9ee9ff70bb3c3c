import { test } from 'node:test';
import { rollingDeploys } from '../../scripts/verify/disturbances.ts';
import { verificationList } from '../../scripts/verify/verification-list.ts';
import { verifyDuring } from '../../scripts/verify/verify-during.ts';
import { skipWithoutPostgres } from '../support/postgres.ts';
import { assertAllKept } from './open-cloudphone.ts';
import { openProduction } from './open-production.ts';

const title = 'users who have logged in notice nothing of a rolling deploy of every service by the production file';

test(title, { skip: skipWithoutPostgres }, async (t) => {
  const { platform } = await openProduction(t);
  const results = await verifyDuring({
    platform,
    list: verificationList,
    scale: { devices: 10, callbacks: 30 },
    disturbance: rollingDeploys({ atOnce: true }),
  });
  for (const result of results) assertAllKept(t, result);
});
