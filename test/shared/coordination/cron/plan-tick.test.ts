import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import type { CatchUp } from '../../../../shared/coordination/cron/cron-job.ts';
import { planTick, type TickPlan } from '../../../../shared/coordination/cron/plan-tick.ts';
import { parseSchedule } from '../../../../shared/coordination/cron/schedule.ts';

const minutes = (count: number) => count * 60_000;
const everyMinute = parseSchedule('* * * * *');
const plan = (lastTick: number, nowMs: number, catchUp: CatchUp) =>
  planTick({ schedule: everyMinute, lastTick, nowMs, catchUp });

const table: [what: string, lastTick: number, nowMs: number, catchUp: CatchUp, expected: TickPlan][] = [
  ['nothing is due', minutes(5), minutes(5) + 1, 'last', { verb: 'wait', untilMs: minutes(6) }],
  ['one is due', minutes(5), minutes(6), 'none', { verb: 'claim', tick: minutes(6), missed: 0, trigger: 'schedule' }],
  ['one is late', minutes(5), minutes(6) + 2000, 'none', { verb: 'pass', upToTick: minutes(6), missed: 1 }],
  [
    'last: the latest of an outage',
    minutes(5),
    minutes(15) + 2000,
    'last',
    { verb: 'claim', tick: minutes(15), missed: 9, trigger: 'catch-up' },
  ],
  [
    'last: an outage longer than the window whose latest tick is recent',
    minutes(5),
    minutes(600) + 2000,
    'last',
    { verb: 'claim', tick: minutes(600), missed: 594, trigger: 'catch-up' },
  ],
  [
    'last: nothing within the window',
    minutes(5),
    minutes(6) + 30_000,
    { run: 'last', withinMs: 20_000 },
    { verb: 'pass', upToTick: minutes(6), missed: 1 },
  ],
  ['all: one after the other', minutes(5), minutes(15), 'all', claimLate(minutes(6), 0)],
  [
    'all: from where the window begins',
    minutes(5),
    minutes(15),
    { run: 'all', withinMs: minutes(3) },
    claimLate(minutes(12), 6),
  ],
  [
    'none: the tick of now after an outage',
    minutes(5),
    minutes(15),
    'none',
    { verb: 'claim', tick: minutes(15), missed: 9, trigger: 'schedule' },
  ],
];

function claimLate(tick: number, missed: number): TickPlan {
  return { verb: 'claim', tick, missed, trigger: 'catch-up' };
}

for (const [what, lastTick, nowMs, catchUp, expected] of table) {
  test(what, () => assert.deepEqual(plan(lastTick, nowMs, catchUp), expected));
}

test('a schedule without further ticks waits for ever', () => {
  const never = { next: () => undefined, last: () => undefined };
  const answer = planTick({ schedule: never, lastTick: 0, nowMs: 5, catchUp: 'all' });
  assert.deepEqual(answer, { verb: 'wait', untilMs: undefined });
});

test('whatever the policy and the gap, each tick is run once, given up once, or still to come', () => {
  const policy = fc.oneof(
    fc.constantFrom<CatchUp>('none', 'last', 'all'),
    fc.record({ run: fc.constantFrom('last' as const, 'all' as const), withinMs: fc.integer({ min: 0, max: 90_000 }) }),
  );
  fc.assert(
    fc.property(policy, fc.array(fc.integer({ min: 0, max: 60_000 }), { maxLength: 12 }), (catchUp, steps) => {
      const schedule = parseSchedule({ everyMs: 500 });
      let nowMs = 0;
      let lastTick = 0;
      let ran = 0;
      let missed = 0;
      for (const step of steps) {
        nowMs += step;
        for (;;) {
          const next = planTick({ schedule, lastTick, nowMs, catchUp });
          if (next.verb === 'wait') break;
          const tick = next.verb === 'claim' ? next.tick : next.upToTick;
          assert.ok(tick > lastTick && tick <= nowMs);
          if (next.verb === 'claim') ran++;
          missed += next.missed;
          lastTick = tick;
        }
        assert.equal(lastTick, schedule.last(nowMs));
      }
      assert.equal(ran + missed, lastTick / 500);
    }),
    { numRuns: 200 },
  );
});
