import type { Loss } from './history.ts';
import type { Grant } from './lease-view.ts';

export interface Lateness {
  readonly losses: number;
  /** By how many ms the latest came after the end of its lease in Redis; negative is before it. */
  readonly maxMs: number;
  readonly late: readonly string[];
  /** Losses whose grant Redis never made. */
  readonly unknown: number;
}

/**
 * Compares when each holder stopped with when its lease ended by the clock of Redis, which must not have been moved. A holder
 * has stopped when it was told to (`signal`), or after the last assertion that passed: in a process that was frozen itself no
 * signal can come in time.
 */
export function measureLateness(
  losses: readonly Loss[],
  grants: readonly Grant[],
  by: 'signal' | 'assertion' = 'signal',
): Lateness {
  const byEpoch = new Map(grants.map((grant) => [`${grant.key} ${grant.epoch}`, grant]));
  let maxMs = Number.NEGATIVE_INFINITY;
  let unknown = 0;
  const late: string[] = [];
  for (const { key, epoch, reason, wallMs, assertedMs } of losses) {
    const grant = byEpoch.get(`${key} ${epoch}`);
    if (grant === undefined) {
      unknown++;
      continue;
    }
    const stoppedMs = Math.max(by === 'signal' ? wallMs : 0, assertedMs ?? wallMs);
    const lateMs = stoppedMs - grant.expiresAtMs;
    maxMs = Math.max(maxMs, lateMs);
    if (lateMs > 0) late.push(`${key}: told "${reason}" ${lateMs} ms after its end`);
  }
  return { losses: losses.length, maxMs, late, unknown };
}
