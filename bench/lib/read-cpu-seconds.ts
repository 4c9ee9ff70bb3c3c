import { readFileSync } from 'node:fs';

/** Ticks per second of the times in `/proc/PID/stat`; Linux has had 100 for user space on every platform of Node. */
const ticksPerSecond = 100;

/** User and system time of a process so far, of all its threads. @throws when there is no such process. */
export function readCpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(') ') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
