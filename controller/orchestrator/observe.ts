import type { Desired, Instance, InstanceState } from '../../shared/contracts/entities.ts';
import { isInfrastructure } from '../../shared/contracts/failure-cause.ts';
import type { LeaderAction } from '../../shared/contracts/leader-action.ts';
import type { Snapshot } from '../../shared/contracts/snapshot.ts';
import { stateRank } from '../../shared/state/instance-states.ts';

/** What the leader has seen of a node: liveness is a change of the counter, by the leader's own clock. */
export interface NodeObservation {
  readonly heartbeat: number;
  readonly changedAtMs: number;
  /** Whether the counter has changed since this memory began: only then is it known to be alive. */
  readonly beating: boolean;
}

export interface InstanceObservation {
  readonly seenAtMs: number;
  readonly desired: Desired;
  readonly desiredAtMs: number;
  readonly state: InstanceState;
  readonly stateAtMs: number;
  /** When its artifact and dependencies were first seen to be there, and it began to start; null before. */
  readonly preparedAtMs: number | null;
  readonly health: Instance['status']['health'];
  /** Since when it has this health; for `healthy` the age that its agent reports is taken into account. */
  readonly healthAtMs: number;
  readonly healthyForMs: number;
  /**
   * Its longest time in good health without a break, as far as its node was heard: the silence of a node that has just been
   * cut off is no good health. 0 is never healthy.
   */
  readonly longestHealthyMs: number;
  /** Restarts when it was first healthy; null before. */
  readonly restartsWhenHealthy: number | null;
}

export interface DeploymentObservation {
  readonly changedAtMs: number;
  /** State, progress, count of failures, and of slots that are tried again, as one text to compare. */
  readonly mark: string;
  /** The most slots that had an instance to keep: to fill one again whose instance has failed is no progress. */
  readonly mostUpdated: number;
}

/**
 * What one leader remembers between two passes, by its own monotonic clock. It is lost with the leader: each timer then
 * starts anew, which delays a decision and never hastens one.
 */
export interface Observations {
  readonly termBeganAtMs: number;
  readonly storeResumedAtMs: number | null;
  readonly nodes: Readonly<Record<string, NodeObservation>>;
  readonly instances: Readonly<Record<string, InstanceObservation>>;
  readonly deployments: Readonly<Record<string, DeploymentObservation>>;
  /** What users were told last, by subject, so that they are told once. */
  readonly said: Readonly<Record<string, string>>;
}

export interface ObserveOptions {
  /** The store did not answer for a while: nobody could report, so that every timer starts anew. */
  readonly storeResumed?: boolean;
  /** The steps applied since the previous observation. Without them a placement that fails is reported at each pass. */
  readonly applied?: readonly LeaderAction[];
}

/** Subjects under which `said` remembers. */
export function slotSubject(service: string, slot: number): string {
  return `slot:${service}/${slot}`;
}

export function nodeSubject(nodeId: string): string {
  return `node:${nodeId}`;
}

/**
 * Takes notice of a snapshot. `previous` is null when a term begins. `nowMs` is the leader's monotonic clock.
 * What has gone from the snapshot is forgotten.
 */
export function observe(
  previous: Observations | null,
  snapshot: Snapshot,
  nowMs: number,
  options: ObserveOptions = {},
): Observations {
  const memory = options.storeResumed ? null : previous;
  const nodes: Record<string, NodeObservation> = {};
  for (const node of snapshot.nodes) {
    const before = memory?.nodes[node.id];
    nodes[node.id] =
      before?.heartbeat === node.heartbeat
        ? before
        : { heartbeat: node.heartbeat, changedAtMs: nowMs, beating: before !== undefined };
  }
  const instances: Record<string, InstanceObservation> = {};
  for (const instance of snapshot.instances) {
    const heardAtMs = nodes[instance.nodeId]?.changedAtMs ?? nowMs;
    instances[instance.id] = observeInstance(memory?.instances[instance.id], instance, { nowMs, heardAtMs });
  }
  const deployments: Record<string, DeploymentObservation> = {};
  for (const { id, state, progress, failures } of snapshot.deployments) {
    const { updated, healthy, total } = progress;
    const mark = `${state} ${healthy} ${total} ${failures.length} ${slotsTriedAgain(snapshot, id)}`;
    const before = memory?.deployments[id];
    const isSame = before?.mark === mark && updated <= before.mostUpdated;
    deployments[id] = isSame ? before : { mark, mostUpdated: updated, changedAtMs: nowMs };
  }
  return {
    termBeganAtMs: previous?.termBeganAtMs ?? nowMs,
    storeResumedAtMs: options.storeResumed ? nowMs : (previous?.storeResumedAtMs ?? null),
    nodes,
    instances,
    deployments,
    said: remember(previous?.said ?? {}, options.applied ?? [], snapshot),
  };
}

function observeInstance(
  before: InstanceObservation | undefined,
  instance: Instance,
  { nowMs, heardAtMs }: { readonly nowMs: number; readonly heardAtMs: number },
): InstanceObservation {
  const { state, health, healthyForMs, restarts } = instance.status;
  const healthy = health === 'healthy';
  const sameHealth = before !== undefined && before.health === health && before.healthyForMs <= healthyForMs;
  const reportedSinceMs = healthy ? nowMs - healthyForMs : nowMs;
  const healthAtMs = sameHealth ? Math.min(before.healthAtMs, reportedSinceMs) : reportedSinceMs;
  return {
    seenAtMs: before?.seenAtMs ?? nowMs,
    desired: instance.desired,
    desiredAtMs: before?.desired === instance.desired ? before.desiredAtMs : nowMs,
    state,
    stateAtMs: before?.state === state ? before.stateAtMs : nowMs,
    preparedAtMs: before?.preparedAtMs ?? (stateRank[state] > stateRank.preparing ? nowMs : null),
    health,
    healthAtMs,
    healthyForMs,
    longestHealthyMs: Math.max(before?.longestHealthyMs ?? 0, healthyForMs, healthy ? heardAtMs - healthAtMs : 0),
    restartsWhenHealthy: before?.restartsWhenHealthy ?? (healthy ? restarts : null),
  };
}

/** The first attempt that fails for a reason of the infrastructure gives its slot the whole time anew; later ones do not. */
function slotsTriedAgain({ instances }: Snapshot, deploymentId: string): number {
  const failed = instances.filter(
    ({ deploymentId: own, status }) =>
      own === deploymentId && status.state === 'failed' && isInfrastructure(status.reason),
  );
  return new Set(failed.map(({ slot }) => slot)).size;
}

function remember(
  before: Observations['said'],
  applied: readonly LeaderAction[],
  snapshot: Snapshot,
): Observations['said'] {
  const said: Record<string, string> = {};
  const services = new Set(snapshot.services.map((service) => service.name));
  const nodes = new Set(snapshot.nodes.map((node) => nodeSubject(node.id)));
  for (const [subject, text] of Object.entries(before)) {
    const service = subject.slice('slot:'.length, subject.lastIndexOf('/'));
    if (nodes.has(subject) || services.has(service)) said[subject] = text;
  }
  for (const action of applied) {
    if (action.type === 'reportPlacement') said[slotSubject(action.service, action.slot)] = action.reason;
    if (action.type === 'createInstance') delete said[slotSubject(action.service, action.slot)];
    if (action.type === 'setNodeState') said[nodeSubject(action.nodeId)] = `${action.state}: ${action.reason}`;
  }
  return said;
}
