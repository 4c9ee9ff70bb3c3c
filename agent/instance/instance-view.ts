import type { Assignment } from '../../shared/contracts/agent-session.ts';
import type { InstanceState } from '../../shared/contracts/entities.ts';
import type { ServiceSpec } from '../../shared/contracts/spec.ts';
import type { WorkerExit, WorkerSnapshot } from '../shim/protocol.ts';

/**
 * - `absent`: no shim, and nothing of an earlier one is alive
 * - `connecting`: a shim is there, or about to be, and does not answer yet
 * - `connected`: its workers are known
 * - `orphaned`: the shim is dead and may have left workers behind
 */
export type BundleState = 'absent' | 'connecting' | 'connected' | 'orphaned';

/** Artifact and dependencies of a revision on this host. */
export type Preparation =
  | { readonly state: 'none' }
  | { readonly state: 'running'; readonly note: string }
  | { readonly state: 'ready' }
  | { readonly state: 'failed'; readonly reason: string };

/** What the probe of an instance says of its present process. Instants are of the agent's monotonic clock. */
export interface ProbeView {
  readonly verdict: 'unknown' | 'healthy' | 'unhealthy';
  readonly sinceMs: number;
  /** The last failing answer; null after a good one. */
  readonly answer: string | null;
}

/** The end of an instance, decided here once and never taken back. */
export interface InstanceEnd {
  readonly state: 'stopped' | 'failed';
  readonly reason: string;
  /** It ended by itself, and its restart policy wants no other run. */
  readonly finished: boolean;
  /** Where no worker is there to tell it. */
  readonly lastExit?: WorkerExit;
}

/** All that a decision about one instance depends on. */
export interface InstanceView {
  readonly assignment: Assignment;
  /** Null when the plan names a revision that it does not bring. */
  readonly spec: ServiceSpec | null;
  /** A controller has said in this life of the agent that the plan stands. */
  readonly confirmed: boolean;
  readonly end: InstanceEnd | null;
  readonly bundle: BundleState;
  readonly worker: WorkerSnapshot | null;
  readonly preparation: Preparation;
  readonly probe: ProbeView | null;
  /** Another worker takes connections from the same listening socket. */
  readonly siblingServes: boolean;
  /** Since when the worker has been asked to drain; null when it has not. */
  readonly drainingSinceMs: number | null;
  readonly readySinceMs: number | null;
  /** Since the last contact with any controller. */
  readonly cutOffForMs: number;
  /** Times it lost its worker together with its shim. */
  readonly lostWorkers: number;
  /** The furthest state that was reported; states only advance. */
  readonly reached: InstanceState;
}

/** Whether the instance has to go, by the leader's wish or because this node is cut off. */
export function mustEnd(view: InstanceView): boolean {
  return view.assignment.desired === 'stop' || isCutOff(view);
}

/** By the agent's own clock, before the leader may start a replacement elsewhere. */
export function isCutOff({ spec, cutOffForMs }: InstanceView): boolean {
  return spec?.placement.onDisconnect === 'stop' && cutOffForMs >= spec.placement.stopAfterMs;
}
