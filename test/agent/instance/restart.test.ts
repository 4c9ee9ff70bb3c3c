import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decideRestart,
  type ExitFacts,
  NO_RESTARTS,
  type RestartDecision,
  type RestartHistory,
} from '../../../agent/instance/restart.ts';
import type { RestartPolicy } from '../../../shared/contracts/spec.ts';

const POLICY: RestartPolicy = {
  autorestart: true,
  maxRestarts: 3,
  minUptimeMs: 1_000,
  restartDelayMs: 50,
  expBackoffRestartDelayMs: 0,
  stopExitCodes: [0, 42],
};
const CRASH: ExitFacts = {
  code: 1,
  uptimeMs: 10,
  wasReady: false,
  instanceWasReady: true,
  awaitsReady: true,
  planned: false,
};

const cases: {
  title: string;
  policy?: Partial<RestartPolicy>;
  exit?: Partial<ExitFacts>;
  history?: Partial<RestartHistory>;
  failFast?: boolean;
  expected: { kind: 'restart'; afterMs: number } | { kind: 'give-up'; reason: string };
}[] = [
  { title: 'a crash restarts after restart_delay', expected: { kind: 'restart', afterMs: 50 } },
  {
    title: 'a planned end restarts at once, even where nothing else would',
    policy: { autorestart: false },
    exit: { planned: true, code: 42, instanceWasReady: false },
    failFast: true,
    expected: { kind: 'restart', afterMs: 0 },
  },
  {
    title: 'a fail-fast instance that was never ready is given up',
    exit: { instanceWasReady: false },
    failFast: true,
    expected: { kind: 'give-up', reason: 'failed-first-start' },
  },
  {
    title: 'a fail-fast instance that was ready once restarts',
    failFast: true,
    expected: { kind: 'restart', afterMs: 50 },
  },
  {
    title: 'a program that is to run once has run when it ends with code 0, also before it counts as ready',
    policy: { autorestart: false },
    exit: { code: 0, instanceWasReady: false, awaitsReady: false },
    failFast: true,
    expected: { kind: 'give-up', reason: 'no-autorestart' },
  },
  {
    title: 'one that was to listen, and did not, has failed',
    policy: { autorestart: false },
    exit: { code: 0, instanceWasReady: false, awaitsReady: true },
    failFast: true,
    expected: { kind: 'give-up', reason: 'failed-first-start' },
  },
  {
    title: 'a crash of one that is to run once is its first start failed',
    policy: { autorestart: false },
    exit: { instanceWasReady: false, awaitsReady: false },
    failFast: true,
    expected: { kind: 'give-up', reason: 'failed-first-start' },
  },
  {
    title: 'autorestart off gives up',
    policy: { autorestart: false },
    expected: { kind: 'give-up', reason: 'no-autorestart' },
  },
  {
    title: 'a stop exit code gives up however long it was up',
    exit: { code: 42, uptimeMs: 1e9, wasReady: true },
    expected: { kind: 'give-up', reason: 'stop-exit-code' },
  },
  { title: 'an end by signal is no stop exit code', exit: { code: null }, expected: { kind: 'restart', afterMs: 50 } },
  {
    title: 'the last unstable exit in a row gives up',
    history: { unstableRestarts: 2 },
    expected: { kind: 'give-up', reason: 'too-many-restarts' },
  },
  {
    title: 'a stable run starts the count anew',
    history: { unstableRestarts: 2 },
    exit: { wasReady: true, uptimeMs: 1_000 },
    expected: { kind: 'restart', afterMs: 50 },
  },
  {
    title: 'a long run that never became ready is unstable',
    history: { unstableRestarts: 2 },
    exit: { uptimeMs: 60_000 },
    expected: { kind: 'give-up', reason: 'too-many-restarts' },
  },
  {
    title: 'the backoff begins with its first delay',
    policy: { expBackoffRestartDelayMs: 100 },
    expected: { kind: 'restart', afterMs: 100 },
  },
  {
    title: 'the backoff ends at 15 s',
    policy: { expBackoffRestartDelayMs: 100, maxRestarts: 100 },
    history: { backoffMs: 14_000 },
    expected: { kind: 'restart', afterMs: 15_000 },
  },
  {
    title: 'after 30 s up the backoff begins anew',
    policy: { expBackoffRestartDelayMs: 100 },
    history: { backoffMs: 8_000 },
    exit: { wasReady: true, uptimeMs: 30_000 },
    expected: { kind: 'restart', afterMs: 100 },
  },
];

for (const { title, policy, exit, history, failFast = false, expected } of cases) {
  test(title, () => {
    const decision = decideRestart(
      { ...POLICY, ...policy },
      { ...NO_RESTARTS, ...history },
      { ...CRASH, ...exit },
      failFast,
    );
    const { history: _history, ...answer } = decision;
    assert.deepEqual(answer, expected);
  });
}

test('the backoff grows by one and a half', () => {
  const policy = { ...POLICY, expBackoffRestartDelayMs: 100, maxRestarts: 100 };
  const delays: number[] = [];
  let history = NO_RESTARTS;
  while (delays.length < 5) {
    const decision = decideRestart(policy, history, CRASH, false);
    assert.ok(decision.kind === 'restart');
    delays.push(decision.afterMs);
    history = decision.history;
  }
  assert.deepEqual(delays, [100, 150, 225, 337, 505]);
});

test('a crash loop always ends after exactly max_restarts exits, and no delay leaves its bounds', () => {
  const policies = fc.record({
    autorestart: fc.constant(true),
    maxRestarts: fc.integer({ min: 0, max: 40 }),
    minUptimeMs: fc.integer({ min: 1, max: 10_000 }),
    restartDelayMs: fc.integer({ min: 0, max: 86_400_000 }),
    expBackoffRestartDelayMs: fc.integer({ min: 0, max: 86_400_000 }),
    stopExitCodes: fc.constant([] as number[]),
  });
  fc.assert(
    fc.property(policies, fc.boolean(), (policy, wasReady) => {
      let decision: RestartDecision = { kind: 'restart', afterMs: 0, history: NO_RESTARTS };
      let exits = 0;
      while (decision.kind === 'restart') {
        const exit = { ...CRASH, wasReady, uptimeMs: policy.minUptimeMs - 1 };
        decision = decideRestart(policy, decision.history, exit, false);
        exits += 1;
        if (decision.kind === 'give-up') break;
        if (policy.expBackoffRestartDelayMs > 0) assert.ok(decision.afterMs <= 15_000 && decision.afterMs > 0);
        else assert.equal(decision.afterMs, policy.restartDelayMs);
      }
      assert.equal(exits, Math.max(1, policy.maxRestarts));
    }),
  );
});
