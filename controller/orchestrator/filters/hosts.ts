import type { Filter, NodeLoad } from './filter.ts';

/** For a scale that counts per host: only the chosen hosts, and each up to its count. */
export function hosts(caps: ReadonlyMap<string, number>, loads: ReadonlyMap<string, NodeLoad>): Filter {
  return {
    check: (node) => (loads.get(node.id)?.slotsOfService ?? 0) < (caps.get(node.id) ?? 0),
    explain: (count) => `${count === 1 ? 'has' : 'have'} all that the scale allows per host`,
  };
}
