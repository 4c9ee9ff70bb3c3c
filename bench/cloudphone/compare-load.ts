import { median } from '../lib/median.ts';
import { driveLoad, type LoadFigures } from './drive-load.ts';
import type { Kind } from './requests.ts';

export interface ComparedLoad {
  /** The median over the turns of a variant. */
  requestsPerSecond(variant: string): number;
  p50Ms(variant: string): number;
  /** Of a figure of a variant to that of another one in the turn beside it: the median. A machine that slows down leaves it. */
  ratio(figure: 'requestsPerSecond' | 'p50Ms', variant: string, other: string): number;
  /** Of all turns together. */
  errors(): number;
  firstError(): string | undefined;
  /** Of a variant, one after the other. */
  turns(variant: string): readonly LoadFigures[];
}

export interface CompareLoadOptions {
  readonly clients: number;
  /** Of each variant. */
  readonly turns: number;
  readonly turnMs: number;
}

/** The same load on each variant in turn, and then in the other order, so that a machine that slows down slows all of them. */
export async function compareLoad(
  variants: Readonly<Record<string, readonly Kind[]>>,
  { clients, turns, turnMs }: CompareLoadOptions,
): Promise<ComparedLoad> {
  const names = Object.keys(variants);
  const found = new Map<string, LoadFigures[]>(names.map((name) => [name, []]));
  for (let turn = 0; turn < turns; turn += 1) {
    for (const name of turn % 2 === 0 ? names : names.toReversed()) {
      found.get(name)!.push(await driveLoad(variants[name]!, { clients, over: AbortSignal.timeout(turnMs) }));
    }
  }
  return ofTurns(found);
}

/** Parts of one comparison that were measured at different times, by processes of their own. */
export function joinLoads(names: readonly string[], parts: readonly ComparedLoad[]): ComparedLoad {
  return ofTurns(new Map(names.map((name) => [name, parts.flatMap((part) => part.turns(name))])));
}

function ofTurns(found: ReadonlyMap<string, readonly LoadFigures[]>): ComparedLoad {
  const medianOf = (variant: string, figure: (figures: LoadFigures) => number) =>
    median(found.get(variant)!.map(figure));
  const all = () => [...found.values()].flat();
  const ratio = (figure: 'requestsPerSecond' | 'p50Ms', variant: string, other: string) =>
    median(found.get(variant)!.map((figures, turn) => figures[figure] / found.get(other)![turn]![figure]));
  return {
    turns: (variant) => found.get(variant)!,
    ratio,
    requestsPerSecond: (variant) => medianOf(variant, ({ requestsPerSecond }) => requestsPerSecond),
    p50Ms: (variant) => medianOf(variant, ({ p50Ms }) => p50Ms),
    errors: () => all().reduce((sum, { errors }) => sum + errors, 0),
    firstError: () => all().find(({ firstError }) => firstError !== undefined)?.firstError,
  };
}
