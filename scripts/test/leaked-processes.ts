import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export type LeakedProcess = {
  pid: number;
  command: string;
  /** Sends SIGKILL if the pid still belongs to the process that was found. */
  kill: () => void;
};

const pollIntervalMs = 50;

/**
 * Finds the processes whose environment has DROVER_TEST_RUN=<runId>: everything that a test run started and left alive,
 * whoever its parent is by now. Waits up to graceMs for those that are just ending. Processes of other users are not seen.
 */
export async function findLeakedProcesses(runId: string, graceMs: number): Promise<LeakedProcess[]> {
  const giveUpAt = performance.now() + graceMs;
  for (;;) {
    const found = findOnce(runId);
    if (found.length === 0 || performance.now() >= giveUpAt) return found;
    await delay(pollIntervalMs);
  }
}

function findOnce(runId: string): LeakedProcess[] {
  const mark = `DROVER_TEST_RUN=${runId}`;
  const found: LeakedProcess[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid || !hasEnvironmentEntry(pid, mark)) continue;
    const command = readProc(pid, 'cmdline').replaceAll('\0', ' ').trim();
    found.push({
      pid,
      command,
      kill: () => {
        if (!hasEnvironmentEntry(pid, mark)) return;
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It has ended between the look and the signal.
        }
      },
    });
  }
  return found;
}

function hasEnvironmentEntry(pid: number, entry: string): boolean {
  return readProc(pid, 'environ').split('\0').includes(entry);
}

/** Empty for a process that has ended, is a zombie, or belongs to someone else. */
function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
