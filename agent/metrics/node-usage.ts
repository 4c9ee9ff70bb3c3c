import { readFileSync } from 'node:fs';
import { availableParallelism, freemem, loadavg, totalmem } from 'node:os';
import type { Heartbeat } from '../../shared/contracts/agent-session.ts';

/** Makes a function that answers what the whole host uses; `cpu` is in cores, since the call before. */
export function createNodeUsage(): () => Heartbeat['usage'] {
  const cores = availableParallelism();
  let before = readTicks();
  return () => {
    const now = readTicks();
    const total = now.total - before.total;
    const share = total > 0 ? (now.busy - before.busy) / total : 0;
    before = now;
    return {
      cpu: Math.max(0, Math.round(share * cores * 100) / 100),
      memoryBytes: totalmem() - freemem(),
      load1: loadavg()[0] ?? 0,
    };
  };
}

/** The first line of /proc/stat: ticks of all cores together. `os.cpus()` would read a file for each core, each second. */
function readTicks(): { busy: number; total: number } {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n', 1);
  const [user = 0, nice = 0, system = 0, idle = 0, waiting = 0, irq = 0, softIrq = 0, stolen = 0] = line
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  const busy = user + nice + system + irq + softIrq + stolen;
  return { busy, total: busy + idle + waiting };
}
