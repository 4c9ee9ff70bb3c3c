export interface Weighted {
  readonly value: number;
  readonly weight: number;
}

/** The value that half of the weight does not exceed; NaN of none. */
export function weightedMedian(samples: readonly Weighted[]): number {
  const sorted = [...samples].sort((a, b) => a.value - b.value);
  let left = sorted.reduce((sum, { weight }) => sum + weight, 0) / 2;
  for (const { value, weight } of sorted) {
    left -= weight;
    if (left <= 0) return value;
  }
  return Number.NaN;
}
