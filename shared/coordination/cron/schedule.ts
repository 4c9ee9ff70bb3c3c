import { Cron } from 'croner';

import { DroverError, type ErrorIssue } from '../../contracts/drover-error.ts';
import type { CronSchedule } from './cron-job.ts';

/** The ticks of a job. Each is a nominal instant in ms since 1970, the same on every host. */
export interface Schedule {
  /** The first tick after `afterMs`; undefined when there is none. */
  next(afterMs: number): number | undefined;
  /** The last tick at or before `atMs`; undefined when there is none. */
  last(atMs: number): number | undefined;
}

/** Faster than that a claim of each tick, on each instance, would be most of what Redis does. */
const minEveryMs = 10;
/** Longer beats are what patterns are for; and timers cannot count further. */
const maxEveryMs = 366 * 24 * 3_600_000;

const nicknames = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@hourly'];
const fields = [
  { name: 'second', allowed: '0-59' },
  { name: 'minute', allowed: '0-59' },
  { name: 'hour', allowed: '0-23' },
  { name: 'dayOfMonth', allowed: '1-31, L, LW or 1W-31W' },
  { name: 'month', allowed: '1-12 or JAN-DEC' },
  { name: 'dayOfWeek', allowed: '0-7 or SUN-SAT, with L or #1-#5 after it' },
];
const fieldNames = fields.slice(1).map(({ name }) => name);
const allowedPattern = `five fields (${fieldNames.join(', ')}), six with the second first, or ${nicknames.join(', ')}`;

/**
 * Reads a schedule.
 *
 * Where clocks are put forward, a pattern without `*`, `?` and steps in second, minute and hour (a fixed time, such as
 * `30 2 * * *`) whose time is skipped runs once, at the first instant after the gap; any other pattern simply has no tick
 * in the gap. Where clocks are put back, a fixed time runs once, at its first occurrence; any other pattern runs in both
 * hours, so `*\/30 * * * *` is each real half hour. No two ticks are ever the same instant.
 *
 * @throws DroverError ARGUMENT_INVALID naming the field, with `issues`
 */
export function parseSchedule(schedule: CronSchedule, timeZone = 'UTC'): Schedule {
  if (typeof schedule === 'string') return patternSchedule(schedule, timeZone);
  const everyMs = schedule?.everyMs;
  if (!Number.isInteger(everyMs) || everyMs < minEveryMs || everyMs > maxEveryMs) {
    const allowed = `a whole number from ${minEveryMs} to ${maxEveryMs}`;
    throw invalid({ path: 'schedule.everyMs', reason: `is ${String(everyMs)}`, allowed });
  }
  return {
    next: (afterMs) => (Math.floor(afterMs / everyMs) + 1) * everyMs,
    last: (atMs) => Math.floor(atMs / everyMs) * everyMs,
  };
}

function patternSchedule(pattern: string, timeZone: string): Schedule {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
  } catch {
    throw invalid({
      path: 'timeZone',
      reason: `${timeZone} is not a time zone`,
      allowed: 'an IANA name such as Europe/Berlin, or UTC',
    });
  }
  const cron = readPattern(pattern, timeZone);
  return {
    next: (afterMs) => cron.nextRun(new Date(afterMs))?.getTime(),
    // The library leaves out the reference itself.
    last: (atMs) => cron.previousRuns(1, new Date(Math.floor(atMs) + 1))[0]?.getTime(),
  };
}

function readPattern(pattern: string, timeZone: string): Cron {
  const parts = pattern.trim().split(/\s+/);
  const isNickname = nicknames.includes(pattern.trim().toLowerCase());
  if (!isNickname && parts.length !== 5 && parts.length !== 6) {
    throw invalid({ path: 'schedule', reason: `has ${parts.length} fields`, allowed: allowedPattern });
  }
  if (pattern.includes('?')) {
    const reason = 'a ? means the moment at which the program started, which differs from host to host';
    throw invalid({ path: 'schedule', reason, allowed: allowedPattern });
  }
  try {
    return compile(pattern.trim(), timeZone);
  } catch (error) {
    throw invalid(
      wrongField(parts, timeZone) ?? { path: 'schedule', reason: reasonOf(error), allowed: allowedPattern },
    );
  }
}

function compile(pattern: string, timeZone: string): Cron {
  return new Cron(pattern, { timezone: timeZone, paused: true, mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard' });
}

/** Found by trying each field alone; the library's own message counts some of them from 0. */
function wrongField(parts: readonly string[], timeZone: string): ErrorIssue | undefined {
  const ofPattern = fields.slice(fields.length - parts.length);
  for (const [index, part] of parts.entries()) {
    const { name, allowed } = ofPattern[index]!;
    try {
      compile(parts.map((_, other) => (other === index ? part : '*')).join(' '), timeZone);
    } catch {
      const lists = `${allowed}; *, lists (,), ranges (-) and steps (/) of them`;
      return { path: `schedule.${name}`, reason: `is ${part}`, allowed: lists };
    }
  }
  return undefined;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/^Cron\w+: /, '') : String(error);
}

function invalid(issue: ErrorIssue): DroverError {
  const message = `The ${issue.path.replace('.', ', ')} cannot be used: ${issue.reason}. Allowed: ${issue.allowed}.`;
  return new DroverError('ARGUMENT_INVALID', message, { issues: [issue] });
}
