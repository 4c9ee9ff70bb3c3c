import type { Filter, NodeLoad } from './filter.ts';

/** Known leases only: a port in quarantine is the store's to refuse. */
export function ports(loads: ReadonlyMap<string, NodeLoad>): Filter {
  return {
    check: (node) => (loads.get(node.id)?.portsLeased ?? 0) < node.ports.to - node.ports.from + 1,
    explain: (count) => `${count === 1 ? 'has' : 'have'} no free port`,
  };
}
