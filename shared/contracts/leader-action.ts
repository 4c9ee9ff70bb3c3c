import type { DeploymentFailure, DeploymentState, Desired, Node, RoutedService, Target } from './entities.ts';

/**
 * One step of the leader. The reconciler returns these, the runner applies one after the other, each in one script that
 * refuses a stale term. All are idempotent: applying one twice is the same as once.
 */
export type LeaderAction =
  | {
      /** Fill a slot: makes the instance and leases its port from the node's range in the same step. */
      readonly type: 'createInstance';
      readonly instanceId: string;
      readonly service: string;
      readonly slot: number;
      readonly target: Target;
      readonly nodeId: string;
      readonly deploymentId: string | null;
      /** `own`: one port for this instance. `shared`: one for all of this service and revision on the node. */
      readonly port: 'own' | 'shared' | 'none';
      readonly reason: string;
    }
  | { readonly type: 'setDesired'; readonly instanceId: string; readonly desired: Desired; readonly reason: string }
  | {
      /** Publish the next epoch. `drained` instances get it as their drainEpoch. */
      readonly type: 'publishRoutes';
      readonly services: readonly RoutedService[];
      readonly drained: readonly string[];
      readonly reason: string;
    }
  | {
      /** Record progress, failures or a change of state; ending ones also free the service for the next deployment. */
      readonly type: 'updateDeployment';
      readonly deploymentId: string;
      readonly state: DeploymentState;
      readonly reason: string;
      readonly failures: readonly DeploymentFailure[];
      readonly progress: { readonly total: number; readonly updated: number; readonly healthy: number };
      /**
       * New target and stable target of the service, where this change moves them. With the target the scale goes back
       * and forth by itself: `rolling-back` returns to the stable one, and what succeeded is the stable one.
       */
      readonly service?: { readonly target: Target; readonly stable: Target | null };
    }
  | { readonly type: 'setNodeState'; readonly nodeId: string; readonly state: Node['state']; readonly reason: string }
  /** The instance's node is lost or removed; its port stays leased until the node has confirmed or is removed. */
  | { readonly type: 'loseInstance'; readonly instanceId: string; readonly reason: string }
  /** Forget a terminal instance and free its port. */
  | { readonly type: 'removeInstance'; readonly instanceId: string }
  /** Forget a deleted service with no instances left, its revisions and unshared artifacts. */
  | { readonly type: 'removeService'; readonly service: string }
  /** Tell users why a slot cannot be placed; written once per change of reason. */
  | { readonly type: 'reportPlacement'; readonly service: string; readonly slot: number; readonly reason: string }
  /** A bounded wait for the routers has passed; the stop goes on without them. */
  | {
      readonly type: 'reportAckTimeout';
      readonly instanceId: string;
      readonly routers: readonly string[];
      readonly epoch: number;
    };
