import { readProcessIdentity } from './process-identity.ts';

/** Linux counts them for programs at this rate, whatever its own is. */
const msPerTick = 10;

/**
 * How long ago a process was started that has this `startTime` in its identity, also by an earlier agent. Measured against
 * this process, so that neither a step of the wall clock nor a container that hides the uptime of its host matters.
 */
export function processAgeMs(startTime: number): number {
  const own = readProcessIdentity(process.pid)?.startTime ?? startTime;
  return Math.max(0, process.uptime() * 1_000 + (own - startTime) * msPerTick);
}
