import { findListeningPort } from '../process/listening-port.ts';
import { listProcessEntries } from '../process/process-entry.ts';

/** The pid of a process that listens on this TCP port; null when there is none, or it is not ours to see. */
export function findPortHolder(port: number): number | null {
  for (const { pid } of listProcessEntries()) {
    const found = findListeningPort({ pid: process.pid, port, pidsOfTree: () => [pid] });
    if (found === null) return null;
    if (found !== 'stranger') return pid;
  }
  return null;
}
