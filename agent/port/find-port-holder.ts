import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const listenState = '0A';

/** The pid of a process that listens on this TCP port; null when there is none, or it is not ours to see. One pass over /proc. */
export function findPortHolder(port: number): number | null {
  const links = new Set(
    ['tcp', 'tcp6'].flatMap((table) => listenerInodes(table, port)).map((inode) => `socket:[${inode}]`),
  );
  if (links.size === 0) return null;
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return Number(pids.find((pid) => holdsAny(pid, links)) ?? 0) || null;
}

function listenerInodes(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync(`/proc/net/${table}`, 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => state === listenState && local?.endsWith(suffix) === true)
    .flatMap((fields) => fields[9] ?? []);
}

function holdsAny(pid: string, links: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => links.has(readlinkSync(`/proc/${pid}/fd/${fd}`)));
  } catch {
    // It has ended, closed something in between, or belongs to another user.
    return false;
  }
}
