import type { Deployment, DeploymentFailure, Instance } from '../../shared/contracts/entities.ts';
import { isInfrastructure } from '../../shared/contracts/failure-cause.ts';
import { fitsTarget } from '../../shared/state/fits-target.ts';
import { type Draft, isLive } from './draft.ts';
import { isStalled } from './is-stalled.ts';
import type { ServiceView } from './service-view.ts';

/** New instances that have failed a deployment and are not in its list yet. */
export function findFailures(draft: Draft, view: ServiceView): DeploymentFailure[] {
  const { deployment } = view;
  if (deployment === undefined) return [];
  const known = new Set(deployment.failures.map(({ instanceId }) => instanceId));
  return draft.instancesOf(view.service.name).flatMap((instance) => {
    if (known.has(instance.id) || instance.desired !== 'run' || !fitsTarget(instance, deployment.to)) return [];
    const own = instance.deploymentId === deployment.id;
    const reason = own ? failureOf(draft, deployment, instance) : staysUnhealthy(draft, deployment, instance);
    return reason === null ? [] : [describeFailure(draft, instance, reason)];
  });
}

function failureOf(draft: Draft, deployment: Deployment, instance: Instance): string | null {
  const { state, health, reason, restarts } = instance.status;
  const { healthyDeadlineMs, monitorMs } = deployment.update;
  if (state === 'failed') return isInfrastructure(reason) ? null : reason || 'failed';
  if (instance.status.finished === true) return hasRunWell(draft, instance, monitorMs) ? null : reason;
  const seen = draft.seen(instance);
  if (!isLive(instance) || seen === undefined || draft.isPreparing(instance)) return null;

  const { nowMs, limits } = draft.input;
  if (state === 'preparing')
    return `not prepared within ${limits.prepareDeadlineMs} ms${reason === '' ? '' : `: ${reason}`}`;
  if (seen.restartsWhenHealthy === null) {
    if (nowMs - (seen.preparedAtMs ?? seen.seenAtMs) < healthyDeadlineMs) return null;
    return `not healthy within ${healthyDeadlineMs} ms${reason === '' ? '' : `: ${reason}`}`;
  }
  const settled = draft.longestHealthyMs(instance) >= monitorMs;
  if (!settled && health === 'unhealthy')
    return `turned unhealthy after it was healthy${reason === '' ? '' : `: ${reason}`}`;
  if (!settled && restarts > seen.restartsWhenHealthy) {
    return `ended after it was healthy: ${instance.status.lastExit?.reason ?? 'it was restarted'}`;
  }
  if (health !== 'healthy' && nowMs - seen.healthAtMs >= healthyDeadlineMs) {
    return `not healthy again within ${healthyDeadlineMs} ms${reason === '' ? '' : `: ${reason}`}`;
  }
  return null;
}

/** It ended by itself and may stay so: it had been well for long enough, or it serves nobody and ended with code 0. */
function hasRunWell(draft: Draft, instance: Instance, monitorMs: number): boolean {
  const spec = draft.spec(instance.service, instance.revision);
  const serves = spec === undefined || spec.routes.length > 0 || spec.health.probe !== undefined;
  return draft.longestHealthyMs(instance) >= monitorMs || (!serves && instance.status.lastExit?.code === 0);
}

/** An instance of an earlier deployment that this one keeps: it may recover, but not hold the deployment up for ever. */
function staysUnhealthy(draft: Draft, deployment: Deployment, instance: Instance): string | null {
  const seen = draft.seen(instance);
  const changedAtMs = draft.input.observations.deployments[deployment.id]?.changedAtMs;
  if (!isLive(instance) || instance.status.health === 'healthy' || seen === undefined || changedAtMs === undefined) {
    return null;
  }
  const { healthyDeadlineMs } = deployment.update;
  const sinceMs = Math.max(seen.healthAtMs, seen.preparedAtMs ?? 0, changedAtMs);
  if (draft.isPreparing(instance) || draft.input.nowMs - sinceMs < healthyDeadlineMs) return null;
  return `not healthy within ${healthyDeadlineMs} ms${instance.status.reason === '' ? '' : `: ${instance.status.reason}`}`;
}

/**
 * In slots where no attempt has got healthy for the whole deadline: the last one, if it failed for a reason of the
 * infrastructure. Such failures are not counted, so that without this bound a deployment would try for ever.
 */
export function findHopelessAttempts(draft: Draft, { deployment, service, slots }: ServiceView): DeploymentFailure[] {
  if (deployment === undefined) return [];
  const { healthyDeadlineMs } = deployment.update;
  return slots.flatMap((slot) => {
    const [last] = slot.ended;
    if (slot.fitting !== null || last === undefined || last.deploymentId !== deployment.id) return [];
    const { state, reason } = last.status;
    if (!fitsTarget(last, service.target) || state !== 'failed' || !isInfrastructure(reason)) return [];
    // Of this slot alone: somewhere another attempt may be in preparation at any moment.
    if (!isStalled(draft, [slot], deployment)) return [];
    return [describeFailure(draft, last, `no attempt got healthy within ${healthyDeadlineMs} ms: ${reason}`)];
  });
}

/**
 * A port that this deployment is the first to route, and on which a router cannot listen: its service would be healthy and
 * out of reach. A port that the service had before is not judged: nothing gets worse by the deployment.
 */
export function findUnboundRoute(draft: Draft, deployment: Deployment): DeploymentFailure | null {
  const portsOf = (target: Deployment['from']) =>
    target === null
      ? []
      : (draft.spec(deployment.service, target.revision)?.routes.flatMap(({ port }) => port ?? []) ?? []);
  const before = new Set(portsOf(deployment.from));
  const fresh = new Set(portsOf(deployment.to).filter((port) => !before.has(port)));
  for (const router of draft.input.snapshot.routers) {
    const node = draft.nodes.get(router.nodeId);
    const error = node?.state === 'ready' ? router.errors.find(({ port }) => fresh.has(port)) : undefined;
    if (node === undefined || error === undefined) continue;
    const why = error.code === 'EADDRINUSE' ? 'another process listens there' : error.code;
    return {
      instanceId: `route-${error.port}`,
      slot: 0,
      node: node.name,
      reason: `the router on ${node.name} cannot listen on port ${error.port} of the route: ${why}`,
      lastLines: [],
      at: router.reportedAt,
    };
  }
  return null;
}

function describeFailure(draft: Draft, instance: Instance, reason: string): DeploymentFailure {
  const { lastExit, probe } = instance.status;
  return {
    instanceId: instance.id,
    slot: instance.slot,
    node: draft.nodes.get(instance.nodeId)?.name ?? instance.nodeId,
    reason,
    lastLines: lastExit?.lastLines ?? [],
    ...(probe === undefined ? {} : { probe }),
    at: lastExit?.at ?? instance.updatedAt,
  };
}
