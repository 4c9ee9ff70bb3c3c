import { median } from '../lib/median.ts';
import { percentile } from '../lib/percentile.ts';
import type { Kind } from './requests.ts';

export interface ComparedPath {
  /** Of a request with nothing else under way, by variant. */
  readonly p50Ms: Readonly<Record<string, number>>;
  /** Of all measured requests, in order. */
  tookMs(variant: string): readonly number[];
  /** How much longer than that of another variant a request takes that is sent right beside it: the median of the differences. */
  extraMs(variant: string, other: string): number;
  /** The same for each pair of neighbours, as a share of the time of the first, in percent. */
  sharesPercent(variant: string, other: string): number[];
}

type Path = Pick<Kind, 'send' | 'prepare'>;

/**
 * The same request to each variant in turn, one at a time, in another order each round: a machine whose speed changes from
 * second to second changes all of them alike, and the differences of neighbours leave it out.
 */
export async function comparePath(
  variants: Readonly<Record<string, Path>>,
  rounds: { readonly warmUp: number; readonly measured: number; readonly nowMs?: () => number },
): Promise<ComparedPath> {
  const { nowMs = () => performance.now() } = rounds;
  const names = Object.keys(variants);
  const tookMs = new Map<string, number[]>(names.map((name) => [name, []]));
  for (let round = -rounds.warmUp; round < rounds.measured; round += 1) {
    const turn = Math.abs(round) % names.length;
    for (const name of [...names.slice(turn), ...names.slice(0, turn)]) {
      const { prepare, send } = variants[name]!;
      const prepared = (await prepare?.()) ?? '';
      const sentMs = nowMs();
      const status = await send(prepared);
      const ms = nowMs() - sentMs;
      if (status >= 300) throw new Error(`${name} answered ${status}`);
      if (round >= 0) tookMs.get(name)!.push(ms);
    }
  }
  return ofTimes(tookMs);
}

/** Parts of one comparison that were measured at different times, by processes of their own. */
export function joinPaths(parts: readonly ComparedPath[]): ComparedPath {
  const names = Object.keys(parts[0]!.p50Ms);
  return ofTimes(new Map(names.map((name) => [name, parts.flatMap((part) => part.tookMs(name))])));
}

function ofTimes(tookMs: ReadonlyMap<string, readonly number[]>): ComparedPath {
  const pairs = (variant: string, other: string) =>
    tookMs.get(variant)!.map((ms, at) => ({ ms, extraMs: ms - tookMs.get(other)![at]! }));
  return {
    tookMs: (variant) => tookMs.get(variant)!,
    p50Ms: Object.fromEntries([...tookMs].map(([name, times]) => [name, percentile(times, 0.5)])),
    extraMs: (variant, other) => median(pairs(variant, other).map(({ extraMs }) => extraMs)),
    sharesPercent: (variant, other) => pairs(variant, other).map(({ ms, extraMs }) => (100 * extraMs) / ms),
  };
}
