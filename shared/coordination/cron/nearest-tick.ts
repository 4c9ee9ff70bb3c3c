import type { Schedule } from './schedule.ts';

/** The tick nearest to an instant: what a timer meant that fired a little early or late. */
export function nearestTick(schedule: Schedule, atMs: number): number | undefined {
  const before = schedule.last(atMs);
  const after = schedule.next(atMs);
  if (before === undefined || after === undefined) return before ?? after;
  return atMs - before <= after - atMs ? before : after;
}
