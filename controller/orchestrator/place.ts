import type { Instance, Node } from '../../shared/contracts/entities.ts';
import { compareText, type Draft, isLive } from './draft.ts';
import { constraints } from './filters/constraints.ts';
import { draining, eligible } from './filters/eligible.ts';
import type { Filter, NodeLoad, PlacementRequest } from './filters/filter.ts';
import { hosts } from './filters/hosts.ts';
import { maxPerNode } from './filters/max-per-node.ts';
import { ports } from './filters/ports.ts';
import { ready } from './filters/ready.ts';
import { cpu, memory } from './filters/resources.ts';
import { slotHomes } from './slots.ts';

export type Placement = { readonly node: Node } | { readonly node: null; readonly reason: string };

/**
 * The node for one more instance: of those that pass every filter the one where this slot failed least, then with the
 * fewest slots of the service, the fewest instances, the most memory not reserved, and the first by name.
 */
export function place(draft: Draft, request: PlacementRequest): Placement {
  const nodes = [...draft.nodes.values()];
  const loads = nodeLoads(draft, request);
  const filters = filtersFor(request, loads);
  const passing = nodes.filter((node) => filters.every((filter) => filter.check(node)));
  const load = (node: Node): NodeLoad => loads.get(node.id) ?? NO_LOAD;
  const failed = (node: Node): number => request.failedOn.get(node.id) ?? 0;
  const [best] = passing.sort(
    (a, b) =>
      failed(a) - failed(b) ||
      load(a).slotsOfService - load(b).slotsOfService ||
      load(a).instances - load(b).instances ||
      b.memoryBytes - load(b).memoryBytes - (a.memoryBytes - load(a).memoryBytes) ||
      compareText(a.name, b.name) ||
      compareText(a.id, b.id),
  );
  return best === undefined ? { node: null, reason: explainPlacement(nodes, filters) } : { node: best };
}

/** "3 nodes: 1 draining, 2 lack memory (need 512 MiB)": each node is counted under the first filter it fails. */
export function explainPlacement(nodes: readonly Node[], filters: readonly Filter[]): string {
  if (nodes.length === 0) return 'no nodes have joined';
  const counts = filters.map(() => 0);
  for (const node of nodes) {
    const index = filters.findIndex((filter) => !filter.check(node));
    if (index >= 0) counts[index] = (counts[index] ?? 0) + 1;
  }
  const reasons = filters.flatMap((filter, index) => {
    const count = counts[index] ?? 0;
    return count === 0 ? [] : [`${count} ${filter.explain(count)}`];
  });
  return `${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'}: ${reasons.join(', ')}`;
}

const NO_LOAD: NodeLoad = { slotsOfService: 0, instances: 0, cpu: 0, memoryBytes: 0, portsLeased: 0 };

function filtersFor(request: PlacementRequest, loads: ReadonlyMap<string, NodeLoad>): Filter[] {
  const { spec, hostCaps } = request;
  return [
    draining(),
    eligible(),
    ready(),
    ...(spec.placement.constraints.length > 0 ? [constraints(spec)] : []),
    ...(spec.placement.maxPerNode === undefined ? [] : [maxPerNode(spec.placement.maxPerNode, loads)]),
    ...(hostCaps === null ? [] : [hosts(hostCaps, loads)]),
    memory(spec, loads),
    cpu(spec, loads),
    ...(leasesPort(request) ? [ports(loads)] : []),
  ];
}

function leasesPort({ spec }: PlacementRequest): boolean {
  return spec.execMode === 'fork' && spec.expectListen !== false;
}

function nodeLoads(draft: Draft, request: PlacementRequest): Map<string, NodeLoad> {
  const loads = new Map<string, { -readonly [K in keyof NodeLoad]: number }>();
  const leased = new Map<string, Set<number>>();
  for (const id of draft.nodes.keys()) loads.set(id, { ...NO_LOAD });
  for (const instance of draft.instances()) {
    const load = loads.get(instance.nodeId);
    if (load === undefined) continue;
    countPort(instance, load, leased);
    if (!isLive(instance)) continue;
    const resources = draft.spec(instance.service, instance.revision)?.placement.resources;
    load.cpu += resources?.cpu ?? 0;
    load.memoryBytes += resources?.memoryBytes ?? 0;
    if (instance.desired === 'run') load.instances += 1;
  }
  for (const [slot, nodeId] of slotHomes(draft.instancesOf(request.spec.name))) {
    const load = loads.get(nodeId);
    if (load !== undefined && slot !== request.slot) load.slotsOfService += 1;
  }
  return loads;
}

/** A lost instance keeps its port until its node has answered: it may still be listening there. */
function countPort(instance: Instance, load: { portsLeased: number }, leased: Map<string, Set<number>>): void {
  const holds = isLive(instance) || instance.status.state === 'lost';
  if (!holds) return;
  if (instance.port === null) {
    if (instance.status.state === 'assigned') load.portsLeased += 1;
    return;
  }
  const ports = leased.get(instance.nodeId) ?? new Set();
  if (!ports.has(instance.port)) load.portsLeased += 1;
  leased.set(instance.nodeId, ports.add(instance.port));
}
