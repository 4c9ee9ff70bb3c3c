import { DroverError, type ErrorIssue } from '../../contracts/drover-error.ts';
import { describeIssues } from '../../contracts/issues.ts';
import type { CatchUp, CronOptions, CronOverlap, CronSchedule } from './cron-job.ts';
import { parseSchedule, type Schedule } from './schedule.ts';

/** A job as an instance declares it, with all defaults filled in. */
export interface CronDefinition {
  readonly name: string;
  readonly schedule: Schedule;
  readonly timeZone: string;
  readonly overlap: CronOverlap;
  readonly catchUp: CatchUp;
  readonly onStoreDown: 'skip' | 'run';
  readonly maxRunMs: number;
  readonly ttlMs: number;
  /** What all instances must agree on, as text: equal for equal definitions. */
  readonly text: string;
}

/** What is in `text`. */
export interface DeclaredCron {
  readonly schedule: CronSchedule;
  readonly timeZone: string;
  readonly overlap: CronOverlap;
  readonly catchUp: CatchUp;
}

/** Longer than most jobs take, short enough that a handler that hangs is known the same day. */
const defaultMaxRunMs = 3_600_000;
/** A pause of a host that is shorter loses no run; a host that died holds up its job for no longer. */
const defaultTtlMs = 10_000;
/** Timers count no further. */
const maxTimerMs = 2 ** 31 - 1;
/** Ticks further back have been overtaken by whatever people did about the outage. */
const maxWindowMs = 31 * 24 * 3_600_000;

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$/;

/** @throws DroverError ARGUMENT_INVALID whose issues name each field that cannot be used */
export function defineCron(name: string, schedule: CronSchedule, options: CronOptions = {}): CronDefinition {
  const { timeZone = 'UTC', overlap = 'skip', catchUp = 'last', onStoreDown = 'skip' } = options;
  const { maxRunMs = defaultMaxRunMs, ttlMs = defaultTtlMs } = options;
  const issues: ErrorIssue[] = [];
  const need = (holds: boolean, path: string, value: unknown, allowed: string) => {
    if (!holds) issues.push({ path, reason: `is ${JSON.stringify(value)}`, allowed });
  };
  const isName = typeof name === 'string' && namePattern.test(name);
  need(isName, 'name', name, '1 to 128 letters, digits, dots, dashes, underscores and slashes');
  need(['skip', 'queue', 'replace'].includes(overlap), 'overlap', overlap, 'skip, queue, replace');
  need(['skip', 'run'].includes(onStoreDown), 'onStoreDown', onStoreDown, 'skip, run');
  need(isWithin(maxRunMs, 100, maxTimerMs), 'maxRunMs', maxRunMs, `a number from 100 to ${maxTimerMs}`);
  need(isWithin(ttlMs, 300, 3_600_000), 'ttlMs', ttlMs, 'a number from 300 to 3600000');
  const isCatchUp =
    typeof catchUp === 'object' && catchUp !== null
      ? ['last', 'all'].includes(catchUp.run) && isWithin(catchUp.withinMs, 0, maxWindowMs)
      : ['none', 'last', 'all'].includes(catchUp);
  need(isCatchUp, 'catchUp', catchUp, `none, last, all, or { run: last | all, withinMs: 0 to ${maxWindowMs} }`);
  if (issues.length > 0) {
    const message = `The cron job ${name} cannot be declared: ${describeIssues(issues)}.`;
    throw new DroverError('ARGUMENT_INVALID', message, { issues });
  }
  const declared: DeclaredCron = { schedule: plain(schedule), timeZone, overlap, catchUp: plainCatchUp(catchUp) };
  return {
    ...{ name, schedule: parseSchedule(schedule, timeZone), timeZone, overlap, catchUp, onStoreDown, maxRunMs, ttlMs },
    text: JSON.stringify(declared),
  };
}

function isWithin(value: number, min: number, max: number): boolean {
  return typeof value === 'number' && value >= min && value <= max;
}

function plain(schedule: CronSchedule): CronSchedule {
  return typeof schedule === 'string' ? schedule.trim().replace(/\s+/g, ' ') : { everyMs: schedule?.everyMs };
}

function plainCatchUp(catchUp: CatchUp): CatchUp {
  return typeof catchUp === 'string' ? catchUp : { run: catchUp.run, withinMs: catchUp.withinMs };
}
