import type { Node } from '../../shared/contracts/entities.ts';

/** What is to be done about the orphaned ports of one host on which no participant lives. */
export type HostVerdict =
  /** All of these have to say that nobody listens: a name that two nodes have is asked twice. */
  | { readonly kind: 'ask'; readonly nodeIds: readonly string[] }
  | { readonly kind: 'reclaim' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'wait' };

/**
 * A host whose node is lost, was removed, or that has none, may still run what listens there, cut off from us. After this
 * time it is given up: longer than a reboot takes, short enough for a range to come back by itself.
 */
export const givenUpAfterMs = 600_000;

/** `gone`: there is nobody to ask, for too short a time yet. `goneForMs` counts from the first such verdict. */
export function judgeHost(
  host: string,
  nodes: readonly Pick<Node, 'id' | 'name' | 'state'>[],
  goneForMs: number,
): HostVerdict {
  const namesakes = nodes.filter(({ name, state }) => name === host && state !== 'lost');
  if (namesakes.length === 0) return { kind: goneForMs >= givenUpAfterMs ? 'reclaim' : 'gone' };
  if (namesakes.some(({ state }) => state !== 'ready')) return { kind: 'wait' };
  return { kind: 'ask', nodeIds: namesakes.map(({ id }) => id) };
}
