import type { Instance, Node } from '../../shared/contracts/entities.ts';
import type { Scale, ServiceSpec } from '../../shared/contracts/spec.ts';
import { compareText, isLive } from './draft.ts';
import { meetsConstraints } from './filters/constraints.ts';

/** The slots that a service should have, and where they may be. */
export interface SlotPlan {
  /** Ascending. */
  readonly slots: readonly number[];
  /** Slots that each host may have; null is any number on any node. */
  readonly hostCaps: ReadonlyMap<string, number> | null;
}

/**
 * `n` is the total over the fleet and gives the slots 0 to n-1. `max` and `hosts` follow the fleet: slots whose host is
 * there keep their number, and the lowest free numbers fill up, so that the loss of one host moves nothing on another.
 */
export function planSlots(
  scale: Scale,
  spec: ServiceSpec,
  nodes: readonly Node[],
  instances: readonly Instance[],
): SlotPlan {
  if (typeof scale.instances === 'number' && scale.hosts === undefined) {
    return { slots: range(scale.instances), hostCaps: null };
  }
  const homes = slotHomes(instances);
  const hosts = chooseHosts(scale, usableNodes(nodes, spec), homes);
  const perHost = (node: Node): number => (scale.instances === 'max' ? node.cores : scale.instances);
  const hostCaps = new Map(hosts.map((node) => [node.id, perHost(node)]));
  const missingHosts = typeof scale.hosts === 'number' ? Math.max(0, scale.hosts - hosts.length) : 0;
  const perMissingHost = scale.instances === 'max' ? 1 : scale.instances;
  const count = [...hostCaps.values()].reduce((sum, cap) => sum + cap, 0) + missingHosts * perMissingHost;
  return { slots: keepOccupied(count, hostCaps, homes), hostCaps };
}

/** Where each slot is: the node of its instance that should run, the newest of them. */
export function slotHomes(instances: readonly Instance[]): Map<number, string> {
  const newest = new Map<number, Instance>();
  for (const instance of instances) {
    if (!isLive(instance) || instance.desired !== 'run') continue;
    const other = newest.get(instance.slot);
    if (other === undefined || isNewer(instance, other)) newest.set(instance.slot, instance);
  }
  return new Map([...newest].map(([slot, { nodeId }]) => [slot, nodeId]));
}

/** Instances of this very pass have no instant yet and are the newest. */
export function isNewer(a: Instance, b: Instance): boolean {
  const at = (instance: Instance): number => (instance.createdAt === 0 ? Number.POSITIVE_INFINITY : instance.createdAt);
  return at(a) === at(b) ? a.id > b.id : at(a) > at(b);
}

function usableNodes(nodes: readonly Node[], spec: ServiceSpec): Node[] {
  return nodes.filter(
    (node) => node.eligibility === 'eligible' && node.state !== 'lost' && meetsConstraints(node, spec),
  );
}

/** Hosts that have slots already come first: a host that joins moves nothing. */
function chooseHosts(scale: Scale, nodes: readonly Node[], homes: ReadonlyMap<number, string>): Node[] {
  if (typeof scale.hosts !== 'number') return [...nodes];
  const slotsOn = (node: Node): number => [...homes.values()].filter((nodeId) => nodeId === node.id).length;
  return [...nodes]
    .sort(
      (a, b) =>
        slotsOn(b) - slotsOn(a) ||
        Number(b.state === 'ready') - Number(a.state === 'ready') ||
        compareText(a.name, b.name) ||
        compareText(a.id, b.id),
    )
    .slice(0, scale.hosts);
}

function keepOccupied(
  count: number,
  hostCaps: ReadonlyMap<string, number>,
  homes: ReadonlyMap<number, string>,
): number[] {
  const roomOn = new Map(hostCaps);
  const slots = new Set<number>();
  for (const [slot, nodeId] of [...homes].sort(([a], [b]) => a - b)) {
    const room = roomOn.get(nodeId) ?? 0;
    if (room === 0) continue;
    roomOn.set(nodeId, room - 1);
    slots.add(slot);
  }
  for (let slot = 0; slots.size < count; slot += 1) slots.add(slot);
  return [...slots].sort((a, b) => a - b);
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, slot) => slot);
}
