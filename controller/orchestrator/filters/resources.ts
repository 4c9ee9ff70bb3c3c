import type { ServiceSpec } from '../../../shared/contracts/spec.ts';
import type { Filter, NodeLoad } from './filter.ts';

const MIB = 1_048_576;

/** Reservations, not use: what instances on the node have been promised, and what this one asks for. */
export function memory({ placement }: ServiceSpec, loads: ReadonlyMap<string, NodeLoad>): Filter {
  const needBytes = placement.resources.memoryBytes;
  return {
    check: (node) => needBytes === 0 || (loads.get(node.id)?.memoryBytes ?? 0) + needBytes <= node.memoryBytes,
    explain: (count) => `${lack(count)} memory (need ${Math.ceil(needBytes / MIB)} MiB)`,
  };
}

export function cpu({ placement }: ServiceSpec, loads: ReadonlyMap<string, NodeLoad>): Filter {
  const needCores = placement.resources.cpu;
  return {
    check: (node) => needCores === 0 || (loads.get(node.id)?.cpu ?? 0) + needCores <= node.cores + ROUNDING,
    explain: (count) => `${lack(count)} CPU (need ${needCores} ${needCores === 1 ? 'core' : 'cores'})`,
  };
}

/** Ten times 0.1 cores must fit into one core in floating point too. */
const ROUNDING = 1e-9;

function lack(count: number): string {
  return count === 1 ? 'lacks' : 'lack';
}
