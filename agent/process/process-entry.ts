import { readdirSync, readFileSync } from 'node:fs';

/** One process as `/proc/PID/stat` shows it. */
export interface ProcessEntry {
  readonly pid: number;
  /** One letter; `Z` and `X` are processes that have ended. */
  readonly state: string;
  readonly parentPid: number;
  readonly groupId: number;
  readonly sessionId: number;
  /** Clock ticks since boot. With pid and boot id it names a process for ever; the pid alone is used again. */
  readonly startTime: number;
}

/** Reads one process; null when there is none, or when it has ended and only waits for its parent. */
export function readProcessEntry(pid: number): ProcessEntry | null {
  const entry = readAnyProcessEntry(pid);
  return entry === null || entry.state === 'Z' || entry.state === 'X' ? null : entry;
}

/**
 * Like `readProcessEntry`, and also shows a process that has ended and that its parent has not reaped. Throws when this
 * host cannot tell (out of descriptors): a living process must never be taken for a dead one.
 */
export function readAnyProcessEntry(pid: number): ProcessEntry | null {
  try {
    return parseStat(pid, readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return null;
    throw error;
  }
}

/** All living processes that this host shows to us. One read per process. */
export function listProcessEntries(): ProcessEntry[] {
  const entries: ProcessEntry[] = [];
  for (const name of readdirSync('/proc')) {
    const first = name.charCodeAt(0);
    if (first < 49 || first > 57) continue;
    const entry = readProcessEntry(Number(name));
    if (entry !== null) entries.push(entry);
  }
  return entries;
}

/** The command name may hold spaces and brackets, so fields are counted from the last `)`. */
function parseStat(pid: number, text: string): ProcessEntry | null {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, parentPid, groupId, sessionId] = fields;
  const startTime = fields[19];
  if (state === undefined || startTime === undefined) return null;
  return {
    pid,
    state,
    parentPid: Number(parentPid),
    groupId: Number(groupId),
    sessionId: Number(sessionId),
    startTime: Number(startTime),
  };
}
