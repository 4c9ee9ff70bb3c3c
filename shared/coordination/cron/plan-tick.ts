import type { CatchUp, CronTrigger } from './cron-job.ts';
import type { Schedule } from './schedule.ts';

export type TickPlan =
  /** Nothing is due before that instant; undefined when the schedule has no tick any more. */
  | { readonly verb: 'wait'; readonly untilMs: number | undefined }
  | { readonly verb: 'claim'; readonly tick: number; readonly missed: number; readonly trigger: CronTrigger }
  | { readonly verb: 'pass'; readonly upToTick: number; readonly missed: number };

export interface PlanTickInput {
  readonly schedule: Schedule;
  /** The last tick that was claimed, skipped or given up. */
  readonly lastTick: number;
  readonly nowMs: number;
  readonly catchUp: CatchUp;
}

/** A tick that is claimed within this time is on time: timers are late, collectors pause, a store fails over. */
const onTimeMs = 1000;
/** Of `last` and `all`. Long enough for a repair by hand; the run of a morning is not made up for in the evening. */
const defaultWindowMs = 3_600_000;
/** Ticks of a gap are counted up to here: a gap of a week has 600,000 seconds, and the number is for people. */
const maxCounted = 1000;

/** What to do about the ticks of a job now. Pure. */
export function planTick({ schedule, lastTick, nowMs, catchUp }: PlanTickInput): TickPlan {
  const first = schedule.next(lastTick);
  if (first === undefined || first > nowMs) return { verb: 'wait', untilMs: first };
  const { run, withinMs } = windowOf(catchUp);
  const fromMs = nowMs - (run === 'all' ? Math.max(withinMs, onTimeMs) : onTimeMs);
  const tick = dueBy(schedule.next(Math.max(lastTick, fromMs - 1)), nowMs) ?? schedule.last(nowMs) ?? first;
  if (nowMs - tick > Math.max(withinMs, onTimeMs)) {
    return { verb: 'pass', upToTick: tick, missed: countTicks(schedule, first, tick) + 1 };
  }
  const trigger = nowMs - tick > onTimeMs ? 'catch-up' : 'schedule';
  return { verb: 'claim', tick, missed: countTicks(schedule, first, tick), trigger };
}

export function windowOf(catchUp: CatchUp): { readonly run: 'last' | 'all'; readonly withinMs: number } {
  if (typeof catchUp === 'object') return catchUp;
  return catchUp === 'none' ? { run: 'last', withinMs: 0 } : { run: catchUp, withinMs: defaultWindowMs };
}

function dueBy(tick: number | undefined, nowMs: number): number | undefined {
  return tick !== undefined && tick <= nowMs ? tick : undefined;
}

/** How many ticks there are from `first` on and before `end`. */
function countTicks(schedule: Schedule, first: number, end: number): number {
  let count = 0;
  for (let tick: number | undefined = first; tick !== undefined && tick < end && count < maxCounted; count++) {
    tick = schedule.next(tick);
  }
  return count;
}
