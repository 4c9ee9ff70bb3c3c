import type { Node } from '../../../shared/contracts/entities.ts';
import type { ServiceSpec } from '../../../shared/contracts/spec.ts';

/** One reason for which a node may not take an instance. */
export interface Filter {
  check(node: Node): boolean;
  /** What `count` nodes lack, to follow their number: "lack memory (need 512 MiB)". */
  explain(count: number): string;
}

/** What is asked for: room for one instance in one slot. */
export interface PlacementRequest {
  readonly spec: ServiceSpec;
  readonly slot: number;
  readonly hostCaps: ReadonlyMap<string, number> | null;
  /** Nodes on which earlier attempts failed, with how often. */
  readonly failedOn: ReadonlyMap<string, number>;
}

/** What a node has taken already. */
export interface NodeLoad {
  /** Other slots of the same service that are at home there. */
  readonly slotsOfService: number;
  readonly instances: number;
  readonly cpu: number;
  readonly memoryBytes: number;
  readonly portsLeased: number;
}
