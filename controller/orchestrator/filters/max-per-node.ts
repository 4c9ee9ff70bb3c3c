import type { Filter, NodeLoad } from './filter.ts';

/**
 * At most `limit` slots of a service on one node. Slots are counted, not instances: in a rolling deploy a slot may have
 * its old and its new instance there at once.
 */
export function maxPerNode(limit: number, loads: ReadonlyMap<string, NodeLoad>): Filter {
  return {
    check: (node) => (loads.get(node.id)?.slotsOfService ?? 0) < limit,
    explain: (count) => `${count === 1 ? 'has' : 'have'} maxPerNode (${limit}) already`,
  };
}
