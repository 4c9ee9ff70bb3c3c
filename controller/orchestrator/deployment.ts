import type {
  Deployment,
  DeploymentFailure,
  DeploymentState,
  Instance,
  Service,
  Target,
} from '../../shared/contracts/entities.ts';
import { type Draft, sameTarget } from './draft.ts';
import { findFailures, findHopelessAttempts, findUnboundRoute } from './failures.ts';
import { isStalled } from './is-stalled.ts';
import type { RolloutOutcome } from './rollout.ts';
import { isAtRest, isReady, type ServiceView, type SlotView } from './service-view.ts';

const CANNOT_PLACE = 'placement: ';

/**
 * Looks for failures of a deployment. When there are more than it tolerates it changes course, and answers true: then
 * nothing else happens to its service in this pass.
 */
export function judgeDeployment(draft: Draft, view: ServiceView): boolean {
  const { deployment } = view;
  if (deployment === undefined) return false;
  if (deployment.state === 'rolling' && deployment.kind !== 'rollback') {
    const failures = [...deployment.failures, ...findFailures(draft, view)];
    const hopeless = findHopelessAttempts(draft, view);
    if (hopeless.length > 0 || failures.length > deployment.update.maxFailures) {
      changeCourse(draft, view, deployment, [...failures, ...hopeless]);
      return true;
    }
    if (failures.length > deployment.failures.length) record(draft, view, deployment, failures);
    return failures.length > deployment.failures.length;
  }
  if (deployment.state === 'paused') return false;
  return giveUpRollback(draft, view, deployment);
}

/** After the slots were seen to: records progress, and ends the deployment once every slot has what it should have. */
export function followDeployment(draft: Draft, view: ServiceView, outcome: RolloutOutcome): void {
  const { deployment } = view;
  if (deployment === undefined) {
    for (const { slot, reason } of outcome.unplaceable) draft.reportPlacement(view.service.name, slot, reason);
    return;
  }
  if (deployment.state !== 'paused' && isComplete(draft, view, deployment)) {
    const rolledBack = deployment.state === 'rolling-back';
    const unbound = rolledBack ? null : findUnboundRoute(draft, deployment);
    if (unbound !== null) {
      changeCourse(draft, view, deployment, [...deployment.failures, unbound]);
      return;
    }
    update(draft, view, deployment, {
      state: rolledBack ? 'rolled-back' : 'succeeded',
      reason: rolledBack ? deployment.reason : 'every instance is healthy',
      service: { target: view.service.target, stable: view.service.target },
    });
    return;
  }
  const [blocked] = outcome.unplaceable;
  if (blocked !== undefined && deployment.state === 'rolling' && isStalled(draft, view.slots, deployment)) {
    changeCourse(draft, view, deployment, [...deployment.failures, placementFailure(deployment, blocked)]);
    return;
  }
  const reason = blocked === undefined ? withoutPlacement(deployment) : `${CANNOT_PLACE}${blocked.reason}`;
  if (record(draft, view, deployment, deployment.failures, reason) !== null && blocked !== undefined) {
    draft.reportPlacement(view.service.name, blocked.slot, blocked.reason);
  }
}

/** Stopping or deleting a service ends its deployment. */
export function supersede(draft: Draft, view: Pick<ServiceView, 'service' | 'deployment'>, reason: string): void {
  const { deployment } = view;
  if (deployment === undefined) return;
  draft.act({
    type: 'updateDeployment',
    deploymentId: deployment.id,
    state: 'superseded',
    reason,
    failures: [],
    progress: deployment.progress,
  });
}

function changeCourse(
  draft: Draft,
  view: ServiceView,
  deployment: Deployment,
  failures: readonly DeploymentFailure[],
): void {
  const last = failures.at(-1);
  const reason =
    last === undefined
      ? 'too many failures'
      : `slot ${last.slot}${last.node === '' ? '' : ` on ${last.node}`}: ${last.reason}`;
  if (deployment.kind === 'rollback') {
    update(draft, view, deployment, { state: 'failed', reason, failures });
  } else if (deployment.update.failureAction === 'pause') {
    update(draft, view, deployment, { state: 'paused', reason, failures });
  } else if (deployment.from === null || (sameTarget(deployment.from, deployment.to) && !hasOwnScale(view.service))) {
    update(draft, view, deployment, { state: 'failed', reason, failures });
  } else {
    const service = { target: deployment.from, stable: view.service.stable };
    update(draft, view, deployment, { state: 'rolling-back', reason, failures, service });
  }
}

/** The deployment brought another count: there is something to go back to, also when the revision has not changed. */
function hasOwnScale({ scale, stableScale = scale }: Service): boolean {
  return scale.instances !== stableScale.instances || scale.hosts !== stableScale.hosts;
}

/** A rollback is never rolled back. When it makes no progress it ends as failed, and its slots are still tried on. */
function giveUpRollback(draft: Draft, view: ServiceView, deployment: Deployment): boolean {
  const missing = view.slots.filter((slot) => !isSettled(slot, view, (fitting) => isReady(draft, fitting))).length;
  if (missing === 0) return false;
  const hopeless = findHopelessAttempts(draft, view);
  if (hopeless.length === 0 && !isStalled(draft, view.slots, deployment)) return false;
  const waitedMs = deployment.update.healthyDeadlineMs;
  const failures = [...deployment.failures, ...findFailures(draft, view), ...hopeless];
  const why = deployment.reason || failures.at(-1)?.reason;
  const reason = `${missing} of ${view.slots.length} slots were not restored within ${waitedMs} ms`;
  update(draft, view, deployment, { state: 'failed', reason: why ? `${reason} (${why})` : reason, failures });
  return true;
}

function isComplete(draft: Draft, view: ServiceView, deployment: Deployment): boolean {
  const { monitorMs } = deployment.update;
  const alone = view.surplus.length === 0;
  return (
    alone &&
    view.slots.every((slot) => {
      if (slot.outdated.length > 0 || slot.leaving.length > 0) return false;
      return isSettled(
        slot,
        view,
        (fitting) => isReady(draft, fitting) && draft.longestHealthyMs(fitting) >= monitorMs,
      );
    })
  );
}

/** The slot has what it should have: an instance that is well, or one that has run and may stay ended. */
function isSettled(slot: SlotView, view: ServiceView, isWell: (fitting: Instance) => boolean): boolean {
  return slot.fitting === null ? isAtRest(view, slot, view.service.target) : isWell(slot.fitting);
}

function placementFailure(deployment: Deployment, blocked: { slot: number; reason: string }): DeploymentFailure {
  return {
    instanceId: `placement-${blocked.slot}`,
    slot: blocked.slot,
    node: '',
    reason: `${CANNOT_PLACE}${blocked.reason}`,
    lastLines: [],
    at: deployment.createdAt,
  };
}

function withoutPlacement(deployment: Deployment): string {
  return deployment.reason.startsWith(CANNOT_PLACE) ? 'rolling out' : deployment.reason;
}

/** Writes what has changed; answers null when nothing has. */
function record(
  draft: Draft,
  view: ServiceView,
  deployment: Deployment,
  failures: readonly DeploymentFailure[],
  reason = deployment.reason,
): true | null {
  const progress = progressOf(draft, view);
  const before = deployment.progress;
  const same =
    failures.length === deployment.failures.length &&
    reason === deployment.reason &&
    progress.total === before.total &&
    progress.updated === before.updated &&
    progress.healthy === before.healthy;
  if (same) return null;
  update(draft, view, deployment, { state: deployment.state, reason, failures });
  return true;
}

function progressOf(draft: Draft, view: ServiceView): Deployment['progress'] {
  const fitting = view.slots.flatMap((slot) => (slot.fitting === null ? [] : [slot.fitting]));
  const atRest = view.slots.filter((slot) => slot.fitting === null && isAtRest(view, slot, view.service.target));
  return {
    total: view.slots.length,
    updated: fitting.length + atRest.length,
    healthy: fitting.filter((instance) => isReady(draft, instance)).length,
  };
}

function update(
  draft: Draft,
  view: ServiceView,
  deployment: Deployment,
  change: {
    state: DeploymentState;
    reason: string;
    failures?: readonly DeploymentFailure[];
    service?: { target: Target; stable: Target | null };
  },
): void {
  draft.act({
    type: 'updateDeployment',
    deploymentId: deployment.id,
    failures: deployment.failures,
    progress: progressOf(draft, view),
    ...change,
  });
}
