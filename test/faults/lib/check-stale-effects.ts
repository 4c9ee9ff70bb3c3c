/** One write that took effect, in the order of the resource. */
export interface Effect {
  readonly key: string;
  readonly epoch: number;
}

/** Effects of a holder that came after an effect of a later one. */
export function findStaleEffects(effects: readonly Effect[]): Effect[] {
  const highest = new Map<string, number>();
  return effects.filter(({ key, epoch }) => {
    const before = highest.get(key) ?? 0;
    highest.set(key, Math.max(before, epoch));
    return epoch < before;
  });
}
