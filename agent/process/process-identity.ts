import { readFileSync } from 'node:fs';
import { readAnyProcessEntry, readProcessEntry } from './process-entry.ts';

/**
 * Names one process of this host for ever. A pid is used again by the kernel, so a pid alone says nothing about a
 * process that was seen earlier.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, from `/proc/PID/stat`. */
  readonly startTime: number;
  readonly bootId: string;
}

let ownBootId: string | undefined;

/** The id that the kernel made at boot; the same for as long as the host is up. */
export function readBootId(): string {
  ownBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return ownBootId;
}

/** The identity of a living process; null when there is none with this pid. */
export function readProcessIdentity(pid: number): ProcessIdentity | null {
  const entry = readProcessEntry(pid);
  return entry === null ? null : { pid, startTime: entry.startTime, bootId: readBootId() };
}

/** The identity of a child of the calling process that has just been spawned, even when it has ended already. */
export function readChildIdentity(pid: number): ProcessIdentity | null {
  const entry = readAnyProcessEntry(pid);
  return entry === null ? null : { pid, startTime: entry.startTime, bootId: readBootId() };
}

/** Whether the very process that was named is alive now. False for a stranger that got its pid, and after a reboot. */
export function isAlive(identity: ProcessIdentity): boolean {
  if (identity.bootId !== readBootId()) return false;
  return readProcessEntry(identity.pid)?.startTime === identity.startTime;
}
