/** What the choice needs to know of an upstream. */
export interface Candidate {
  readonly weight: number;
  /** Requests in flight and upgraded connections. */
  readonly load: number;
  /** Whether passive ejection has it out at this moment. */
  isEjected(nowMs: number): boolean;
}

/**
 * Chooses the candidate with the fewest connections per weight, any of them among equals (`random` in [0, 1)), leaving
 * out those in `tried`. Ejected ones are taken only when nothing else is left: a guess is better than a refusal. Weight
 * 0 takes no request at all. Null when nothing is left.
 */
export function pickUpstream<T extends Candidate>(
  candidates: readonly T[],
  tried: readonly T[],
  nowMs: number,
  random: () => number,
): T | null {
  return leastLoaded(candidates, tried, nowMs, random, false) ?? leastLoaded(candidates, tried, nowMs, random, true);
}

function leastLoaded<T extends Candidate>(
  candidates: readonly T[],
  tried: readonly T[],
  nowMs: number,
  random: () => number,
  ejectedToo: boolean,
): T | null {
  let best: T | null = null;
  let bestLoad = Number.POSITIVE_INFINITY;
  let equals = 0;
  for (const candidate of candidates) {
    if (candidate.weight === 0 || (!ejectedToo && candidate.isEjected(nowMs))) continue;
    if (tried.length > 0 && tried.includes(candidate)) continue;
    const load = candidate.load / candidate.weight;
    if (load < bestLoad) {
      best = candidate;
      bestLoad = load;
      equals = 1;
    } else if (load === bestLoad) {
      equals++;
      // The k-th of k equals replaces the choice with 1/k, which leaves each with the same chance.
      if (random() * equals < 1) best = candidate;
    }
  }
  return best;
}
