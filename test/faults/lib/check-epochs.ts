/** Grants of one key in the order in which they were made: each that is not above all before it. */
export function findEpochsThatFell(grants: readonly { key: string; epoch: number }[]): string[] {
  const highest = new Map<string, number>();
  return grants.flatMap(({ key, epoch }) => {
    const before = highest.get(key) ?? 0;
    highest.set(key, Math.max(before, epoch));
    return epoch > before ? [] : [`${key}: epoch ${epoch} was given out after ${before}`];
  });
}
