import { readdir, readFile } from 'node:fs/promises';
import { type ProcessIdentity, readProcessIdentity } from '../../agent/process/process-identity.ts';
import type { LocalAgent, LocalCluster } from './local-cluster.ts';

/** The worker processes that exist, read from the kernel, without asking the cluster. */
export async function workerPids(cluster: LocalCluster): Promise<number[]> {
  const found = await Promise.all(cluster.agents.map(processesOf));
  return found.flat();
}

/** Every process whose environment or command line names the data directory of the agent, or descends from one that does. */
export async function processesOf(agent: LocalAgent): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const parents = new Map<number, number>();
  const roots = new Set<number>();
  await Promise.all(
    pids.map(async (pid) => {
      const [stat, command] = await Promise.all([
        readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''),
        readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
      ]);
      if (stat === '' || pid === process.pid) return;
      parents.set(pid, Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]));
      if (command.includes(`${agent.data}/`) || command.split('\0').includes(agent.data)) roots.add(pid);
    }),
  );
  for (let grown = true; grown; ) {
    grown = false;
    for (const [pid, parent] of parents) {
      if (!roots.has(pid) && roots.has(parent)) {
        roots.add(pid);
        grown = true;
      }
    }
  }
  return [...roots];
}

/** kill -9 of all that runs on a host, also of what was started while the others were looked for. Answers how many there were. */
export async function killProcessesOf(agent: LocalAgent): Promise<number> {
  const killed = new Set<number>();
  for (let left = await processesOf(agent); left.length > 0; left = await processesOf(agent)) {
    for (const pid of left) {
      killed.add(pid);
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended with the others.
      }
    }
  }
  return killed.size;
}

/** What each process is, so that a stranger with the same pid is told apart. */
export function identify(pids: readonly number[]): (ProcessIdentity | null)[] {
  return pids.map((pid) => readProcessIdentity(pid));
}

/** The newest line of an agent's log that says it runs: when, and how many workers it found. */
export async function readAdoption(agent: LocalAgent): Promise<{ at: number; workers: number } | null> {
  const text = await readFile(agent.logFile, 'utf8');
  const line = text.split('\n').findLast((one) => one.includes('"the agent runs"'));
  if (line === undefined) return null;
  const { at, workers } = JSON.parse(line) as { at: string; workers: number };
  return { at: Date.parse(at), workers };
}
