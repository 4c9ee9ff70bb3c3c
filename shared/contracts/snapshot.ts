import type { Deployment, Instance, Node, Revision, RouterStatus, RoutingTable, Service } from './entities.ts';

/** Everything that the leader decides on, read in one atomic step. */
export interface Snapshot {
  /** Random id of this store's content: changes when Redis was set up anew. */
  readonly generation: string;
  /** Increases with each write of desired state. */
  readonly version: number;
  /** Term of the newest leader (the epoch of its lease), read in the same step; 0 before the first election. */
  readonly term: number;
  readonly nodes: readonly Node[];
  readonly services: readonly Service[];
  /** Revisions that a target, a stable target, an active deployment or a live instance names. */
  readonly revisions: readonly Revision[];
  /** Deployments that have not ended. */
  readonly deployments: readonly Deployment[];
  /** All instances that have not been removed, terminal ones included. */
  readonly instances: readonly Instance[];
  readonly routers: readonly RouterStatus[];
  readonly routes: RoutingTable;
}
