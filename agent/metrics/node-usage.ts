import { cpus, freemem, loadavg, totalmem } from 'node:os';
import type { Heartbeat } from '../../shared/contracts/agent-session.ts';

/** Makes a function that answers what the whole host uses; `cpu` is in cores, since the call before. */
export function createNodeUsage(): () => Heartbeat['usage'] {
  let before = readTimes();
  return () => {
    const now = readTimes();
    const totalMs = now.totalMs - before.totalMs;
    const share = totalMs > 0 ? (now.busyMs - before.busyMs) / totalMs : 0;
    before = now;
    return {
      cpu: Math.max(0, Math.round(share * now.cores * 100) / 100),
      memoryBytes: totalmem() - freemem(),
      load1: loadavg()[0] ?? 0,
    };
  };
}

function readTimes(): { cores: number; busyMs: number; totalMs: number } {
  const all = cpus();
  let busyMs = 0;
  let totalMs = 0;
  for (const { times } of all) {
    const sum = times.user + times.nice + times.sys + times.idle + times.irq;
    totalMs += sum;
    busyMs += sum - times.idle;
  }
  return { cores: all.length, busyMs, totalMs };
}
