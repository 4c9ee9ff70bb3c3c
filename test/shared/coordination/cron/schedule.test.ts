import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import type { CronSchedule } from '../../../../shared/coordination/cron/cron-job.ts';
import { nearestTick } from '../../../../shared/coordination/cron/nearest-tick.ts';
import { parseSchedule } from '../../../../shared/coordination/cron/schedule.ts';

const daylight: [pattern: string, timeZone: string, after: string, ticks: string[], rule: string][] = [
  [
    '30 2 * * *',
    'Europe/Berlin',
    '2026-03-28T12:00:00Z',
    ['2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z'],
    'a fixed time that is skipped runs once, at the first instant after the gap',
  ],
  [
    '30 2 * * *',
    'Europe/Berlin',
    '2026-10-24T12:00:00Z',
    ['2026-10-25T00:30:00.000Z', '2026-10-26T01:30:00.000Z'],
    'a fixed time that is repeated runs once, at its first occurrence',
  ],
  [
    '0,30 2 * * *',
    'Europe/Berlin',
    '2026-03-28T12:00:00Z',
    ['2026-03-29T01:00:00.000Z', '2026-03-30T00:00:00.000Z'],
    'two fixed times that are skipped run once together',
  ],
  [
    '0,30 2 * * *',
    'Europe/Berlin',
    '2026-10-24T12:00:00Z',
    ['2026-10-25T00:00:00.000Z', '2026-10-25T00:30:00.000Z', '2026-10-26T01:00:00.000Z'],
    'a list of fixed times is fixed too',
  ],
  [
    '*/30 * * * *',
    'Europe/Berlin',
    '2026-03-29T00:15:00Z',
    ['2026-03-29T00:30:00.000Z', '2026-03-29T01:00:00.000Z', '2026-03-29T01:30:00.000Z'],
    'a step runs each real half hour over the gap',
  ],
  [
    '*/30 * * * *',
    'Europe/Berlin',
    '2026-10-24T23:45:00Z',
    [
      '2026-10-25T00:00:00.000Z',
      '2026-10-25T00:30:00.000Z',
      '2026-10-25T01:00:00.000Z',
      '2026-10-25T01:30:00.000Z',
      '2026-10-25T02:00:00.000Z',
    ],
    'a step runs each real half hour over the repeated hour',
  ],
  [
    '*/30 2 * * *',
    'Europe/Berlin',
    '2026-03-28T12:00:00Z',
    ['2026-03-30T00:00:00.000Z', '2026-03-30T00:30:00.000Z'],
    'steps within an hour that is skipped have no tick that day',
  ],
  [
    '0 0 * * *',
    'America/Santiago',
    '2026-09-05T12:00:00Z',
    ['2026-09-06T04:00:00.000Z', '2026-09-07T03:00:00.000Z'],
    'a midnight that does not exist is the first instant of the day',
  ],
  [
    '0 2 * * *',
    'Australia/Lord_Howe',
    '2026-10-03T12:00:00Z',
    ['2026-10-03T15:30:00.000Z', '2026-10-04T15:00:00.000Z'],
    'clocks that move by half an hour are no exception',
  ],
];

for (const [pattern, timeZone, after, ticks, rule] of daylight) {
  test(`${pattern} in ${timeZone} after ${after}: ${rule}`, () => {
    const schedule = parseSchedule(pattern, timeZone);
    const found: string[] = [];
    let atMs = Date.parse(after);
    while (found.length < ticks.length) {
      atMs = schedule.next(atMs)!;
      found.push(new Date(atMs).toISOString());
    }
    assert.deepEqual(found, ticks);
  });
}

const wrong: [schedule: CronSchedule, timeZone: string, path: string, reason: RegExp][] = [
  ['61 * * * *', 'UTC', 'schedule.minute', /61/],
  ['* 25 * * *', 'UTC', 'schedule.hour', /25/],
  ['x * * * * *', 'UTC', 'schedule.second', /is x/],
  ['0 0 * 13 *', 'UTC', 'schedule.month', /13/],
  ['* * *', 'UTC', 'schedule', /3 fields/],
  ['* * * * * * *', 'UTC', 'schedule', /7 fields/],
  ['2026-01-01T00:00:00', 'UTC', 'schedule', /1 fields/],
  ['? * * * *', 'UTC', 'schedule', /differs from host to host/],
  ['* * * * *', 'Mars/Base', 'timeZone', /not a time zone/],
  [{ everyMs: 5 }, 'UTC', 'schedule.everyMs', /is 5/],
  [{ everyMs: 1.5 }, 'UTC', 'schedule.everyMs', /is 1\.5/],
];

for (const [schedule, timeZone, path, reason] of wrong) {
  test(`${JSON.stringify(schedule)} in ${timeZone} is refused by naming ${path}`, () => {
    assert.throws(
      () => parseSchedule(schedule, timeZone),
      (error: { code: string; issues: { path: string; reason: string; allowed?: string }[] }) => {
        assert.equal(error.code, 'ARGUMENT_INVALID');
        assert.equal(error.issues[0]!.path, path);
        assert.match(error.issues[0]!.reason, reason);
        assert.ok(error.issues[0]!.allowed);
        return true;
      },
    );
  });
}

const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'America/Santiago'];
const patterns = [
  '*/7 * * * *',
  '30 2 * * *',
  '0,30 1-3 * * *',
  '0 * * * *',
  '*/20 30 2 * * *',
  '@daily',
  '15 0 * * SUN',
];

test('ticks rise, and looking back finds the same ticks as looking forward, in every zone over a year', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...zones),
      fc.constantFrom(...patterns),
      fc.integer({ min: Date.parse('2026-01-01'), max: Date.parse('2027-01-01') }),
      (zone, pattern, atMs) => {
        const schedule = parseSchedule(pattern, zone);
        const next = schedule.next(atMs)!;
        assert.ok(next > atMs);
        assert.equal(schedule.last(next), next);
        assert.ok(schedule.last(next - 1)! <= atMs);
        assert.ok([next, schedule.last(atMs)].includes(nearestTick(schedule, atMs)!));
      },
    ),
    { numRuns: 300 },
  );
});

test('a beat counts from 1970, so that all hosts mean the same instants', () => {
  const schedule = parseSchedule({ everyMs: 250 });
  assert.equal(schedule.next(1000), 1250);
  assert.equal(schedule.last(1249), 1000);
  assert.equal(schedule.last(1250), 1250);
});
