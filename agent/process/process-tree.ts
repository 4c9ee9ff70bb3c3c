import { readFileSync } from 'node:fs';
import { listProcessEntries, type ProcessEntry } from './process-entry.ts';
import { type ProcessIdentity, readBootId } from './process-identity.ts';

export interface TreeQuery {
  /** The worker. It may have ended: what it left behind is still found. */
  readonly root: ProcessIdentity | null;
  /** Processes known to belong to the tree from an earlier look; their descendants do too. */
  readonly known?: Iterable<ProcessIdentity>;
  /** Entries of the environment, `NAME=value`, that only processes of this tree were all started with. */
  readonly markers?: readonly string[];
}

/**
 * All living processes of a worker's tree: the worker, its descendants, its process group and session, and whoever
 * carries the markers in the environment that it was started with (a child that called setsid and whose parent ended is
 * found by nothing else). Never the calling process, nor pid 1.
 *
 * Group and session count only when the worker is their leader, and not when its pid belongs to another process now:
 * the kernel gives a pid away only after its group and session are empty, so a group of that number is then a
 * stranger's.
 */
export function findProcessTree(query: TreeQuery): ProcessIdentity[] {
  const { root, markers } = query;
  const bootId = readBootId();
  const entries = listProcessEntries();
  const byPid = new Map(entries.map((entry) => [entry.pid, entry]));
  const members = new Set<ProcessEntry>();

  for (const identity of [...(root === null ? [] : [root]), ...(query.known ?? [])]) {
    const entry = byPid.get(identity.pid);
    if (entry !== undefined && entry.startTime === identity.startTime && identity.bootId === bootId) members.add(entry);
  }
  if (
    root !== null &&
    root.bootId === bootId &&
    (byPid.get(root.pid)?.startTime ?? root.startTime) === root.startTime
  ) {
    for (const entry of entries) {
      if (entry.groupId === root.pid || entry.sessionId === root.pid) members.add(entry);
    }
  }
  if (markers !== undefined && markers.length > 0) {
    for (const entry of entries) {
      if (!members.has(entry) && wasStartedWith(entry.pid, markers)) members.add(entry);
    }
  }
  addDescendants(members, entries);

  const identities: ProcessIdentity[] = [];
  for (const { pid, startTime } of members) {
    if (pid > 1 && pid !== process.pid) identities.push({ pid, startTime, bootId });
  }
  return identities;
}

function addDescendants(members: Set<ProcessEntry>, entries: readonly ProcessEntry[]): void {
  const childrenOf = new Map<number, ProcessEntry[]>();
  for (const entry of entries) {
    const siblings = childrenOf.get(entry.parentPid);
    if (siblings === undefined) childrenOf.set(entry.parentPid, [entry]);
    else siblings.push(entry);
  }
  // A Set's iteration also visits what is added on the way, so this walks the whole tree.
  for (const member of members) {
    if (member.pid <= 1 || member.pid === process.pid) continue;
    for (const child of childrenOf.get(member.pid) ?? []) members.add(child);
  }
}

function wasStartedWith(pid: number, markers: readonly string[]): boolean {
  let environment: string;
  try {
    environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return false;
  }
  return markers.every((marker) => `\0${environment}`.includes(`\0${marker}\0`));
}
