import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reporter } from '../../../agent/session/reporter.ts';
import type { Report } from '../../../shared/contracts/agent-session.ts';
import { systemClock } from '../../../shared/runtime/clock.ts';
import { silentLogger } from '../../../shared/runtime/logger.ts';
import { eventually } from '../../support/eventually.ts';

test('what has not changed is told again after a while, for a store that has lost it', async (t) => {
  let passedMs = 0;
  const reports: Report[] = [];
  const reporter = new Reporter({
    instances: () => [],
    runs: () => [],
    router: () => null,
    planVersion: () => 1,
    send: async (report) => reports.push(report) > 0,
    clock: { ...systemClock, monotonicMs: () => passedMs },
    logger: silentLogger,
  });
  t.after(() => reporter.close());
  await eventually(() => assert.equal(reports.length, 1));
  passedMs = 60_000;
  await eventually(() => assert.equal(reports.length, 2));
});
