import { readResidentBytes } from '../process/resident-memory.ts';

/** A worker over its limit is noticed within a second; one look is one read of a /proc file. */
const LOOK_INTERVAL_MS = 1_000;

/** Calls `onExceeded` once when the process uses more resident memory than `limitBytes`, until the signal aborts. */
export function watchMemoryLimit(
  pid: number,
  limitBytes: number,
  onExceeded: (residentBytes: number) => void,
  signal: AbortSignal,
): void {
  const timer = setInterval(() => {
    const residentBytes = readResidentBytes(pid);
    if (residentBytes === null || residentBytes <= limitBytes) return;
    clearInterval(timer);
    onExceeded(residentBytes);
  }, LOOK_INTERVAL_MS);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}
