import { percentile } from '../lib/percentile.ts';
import type { Kind } from './requests.ts';

/** Clients that wait for an answer before they ask again: enough that no core is idle. */
export const manyClients = 32;

export interface LoadFigures {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers other than 2xx, and requests without one. */
  readonly errors: number;
  readonly requests: number;
  /** What went wrong first. */
  readonly firstError: string | undefined;
}

export interface LoadOptions {
  readonly clients: number;
  /** Nothing is sent any more once this has aborted. */
  readonly over: AbortSignal;
  /** 0 to below 1; Math.random unless a test wants to know. */
  readonly random?: () => number;
}

/** Clients that each send the next request when they have the answer of the last one, in the proportions of `kinds`. */
export async function driveLoad(kinds: readonly Kind[], options: LoadOptions): Promise<LoadFigures> {
  const { clients, over, random = Math.random } = options;
  const tookMs: number[] = [];
  const problems: string[] = [];
  const startedMs = performance.now();
  const client = async () => {
    while (!over.aborted) {
      const kind = pick(kinds, random());
      try {
        const prepared = (await kind.prepare?.()) ?? '';
        const sentMs = performance.now();
        const status = await kind.send(prepared);
        tookMs.push(performance.now() - sentMs);
        if (status >= 300) problems.push(`${kind.name} was answered with ${status}`);
      } catch (error) {
        problems.push(`${kind.name}: ${(error as Error).message}`);
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return {
    requestsPerSecond: (tookMs.length * 1_000) / (performance.now() - startedMs),
    p50Ms: percentile(tookMs, 0.5),
    p99Ms: percentile(tookMs, 0.99),
    errors: problems.length,
    requests: tookMs.length,
    firstError: problems[0],
  };
}

/** The kind in whose share of 0 to 1 `at` falls. */
function pick(kinds: readonly Kind[], at: number): Kind {
  let left = at * kinds.reduce((sum, { percent }) => sum + percent, 0);
  for (const kind of kinds) {
    left -= kind.percent;
    if (left < 0) return kind;
  }
  return kinds.at(-1)!;
}
