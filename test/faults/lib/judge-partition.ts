import type { Belief } from '../partition/side.ts';

/** Writes that took effect at the resource, and those that its fence refused. */
export interface Written {
  readonly written: number;
  readonly refused: number;
}

export interface PartitionEvidence {
  /** What the side that was cut off believed. */
  readonly lost: readonly Belief[];
  readonly granted: readonly Belief[];
  /** What the new side wrote, and what the old one tried afterwards. */
  readonly after: Written;
  readonly stale: Written;
}

/** Whether each key was let go before the other side had it, with a higher token, and nothing stale took effect. */
export function judgePartition({ lost, granted, after, stale }: PartitionEvidence) {
  const now = new Map(granted.map((belief) => [belief.key, belief]));
  const margins = lost.map(({ key, assertedMs, lostMs }) => now.get(key)!.grantedMs - Math.max(assertedMs, lostMs));
  const marginMs = Math.min(...margins);
  const overlaps = margins.filter((one) => one <= 0).length;
  const fallen = lost.filter(({ key, epoch }) => now.get(key)!.epoch <= epoch).length;
  const violations = [
    ...(overlaps > 0
      ? [`${overlaps} of ${lost.length} were believed in on both sides, for up to ${-marginMs} ms`]
      : []),
    ...(fallen > 0 ? [`${fallen} tokens of the new side are not above those of the old one`] : []),
    ...(after.refused > 0 ? [`${after.refused} writes of the new side were refused`] : []),
    ...(stale.written > 0 ? [`${stale.written} stale writes took effect`] : []),
  ];
  return { overlaps, marginMs, violations };
}
