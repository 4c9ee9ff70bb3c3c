import type { Deployment, Instance, Service, Target } from '../../shared/contracts/entities.ts';
import type { ServiceSpec } from '../../shared/contracts/spec.ts';
import { fitsTarget } from '../../shared/state/fits-target.ts';
import { type Draft, isLive } from './draft.ts';
import { hasProvenHealth, hasRoutes, isRouted } from './routes.ts';
import { isNewer, planSlots } from './slots.ts';
import { wasTakenBack } from './take-back.ts';

/** What one slot has. An instance that was asked to leave is in `leaving`, whatever else it is. */
export interface SlotView {
  readonly slot: number;
  /** The one to keep: fits the target, is on a node that may keep it, and has not failed its deployment. */
  readonly fitting: Instance | null;
  /** Others that should run still and have to go once the slot has a ready one. */
  readonly outdated: readonly Instance[];
  readonly leaving: readonly Instance[];
  /** Ended, newest first. */
  readonly ended: readonly Instance[];
}

/** One service as one pass sees it. */
export interface ServiceView {
  readonly service: Service;
  readonly spec: ServiceSpec;
  readonly deployment: Deployment | undefined;
  readonly order: 'start-first' | 'stop-first';
  /** Slots that may be replaced at once. */
  readonly maxParallel: number;
  readonly hostCaps: ReadonlyMap<string, number> | null;
  readonly slots: readonly SlotView[];
  /** Live instances in slots that are no longer wanted. */
  readonly surplus: readonly Instance[];
}

export function viewService(draft: Draft, service: Service, spec: ServiceSpec): ServiceView {
  const deployment = draft.deploymentOf(service);
  const instances = draft.instancesOf(service.name);
  const { slots, hostCaps } = planSlots(service.scale, spec, [...draft.nodes.values()], instances);
  const wanted = new Set(slots);
  const bySlot = new Map<number, Instance[]>();
  for (const instance of instances) bySlot.set(instance.slot, [...(bySlot.get(instance.slot) ?? []), instance]);
  const targets = acceptedTargets(service, deployment);
  const restarting = deployment?.kind === 'restart';
  const update = deployment?.update ?? spec.update;
  return {
    service,
    spec,
    deployment,
    order: restarting ? 'stop-first' : update.order,
    maxParallel: restarting ? Math.max(1, slots.length) : (update.maxParallel ?? defaultParallel(slots.length)),
    hostCaps,
    slots: slots.map((slot) => viewSlot(draft, slot, bySlot.get(slot) ?? [], targets, deployment)),
    surplus: instances.filter((instance) => isLive(instance) && !wanted.has(instance.slot)),
  };
}

/** A third at once: a fleet of six is replaced in three steps and never loses more than two. */
export function defaultParallel(slots: number): number {
  return Math.max(1, Math.floor(slots / 3));
}

/** Ready for requests: healthy for long enough and, where the service has routes, in the routing table. */
export function isReady(draft: Draft, instance: Instance): boolean {
  if (!isLive(instance) || instance.status.state !== 'running' || instance.status.health !== 'healthy') return false;
  return hasRoutes(draft, instance) ? isRouted(draft, instance) : hasProvenHealth(draft, instance);
}

/**
 * What the slot is to run has ended by itself, and is to stay so (autorestart, stop_exit_codes) until somebody asks for
 * it again.
 */
export function isAtRest({ service, deployment }: ServiceView, slot: SlotView, target: Target): boolean {
  const last = lastOf([...slot.outdated, ...slot.leaving, ...slot.ended], target, deployment);
  return last !== undefined && hasFinished(last) && service.startedAgain?.includes(last.id) !== true;
}

/** It ended by itself, was to run then, and its restart policy wants no other run. */
export function hasFinished({ status, desired }: Instance): boolean {
  return status.finished === true && desired === 'run';
}

/**
 * The newest of a slot that fits. Only what fits counts: a deployment that goes back by itself runs nothing a second
 * time, now or later. What failed in it, or was taken back with it, is what is gone back from.
 */
export function lastOf(
  instances: readonly Instance[],
  target: Target,
  deployment: Deployment | undefined,
): Instance | undefined {
  const undone = deployment === undefined || deployment.state === 'rolling' ? [] : deployment.failures;
  return instances
    .filter(
      (instance) =>
        fitsTarget(instance, target) &&
        (instance.generation === target.generation || !wasTakenBack(instance)) &&
        !undone.some(({ instanceId }) => instanceId === instance.id),
    )
    .sort((a, b) => (isNewer(a, b) ? -1 : 1))[0];
}

/** While a deployment is paused the slots keep what they have, old or new. */
function acceptedTargets(service: Service, deployment: Deployment | undefined): readonly Target[] {
  if (deployment?.state !== 'paused' || deployment.from === null) return [service.target];
  return [service.target, deployment.from];
}

function viewSlot(
  draft: Draft,
  slot: number,
  instances: readonly Instance[],
  targets: readonly Target[],
  deployment: Deployment | undefined,
): SlotView {
  const running = instances.filter((instance) => isLive(instance) && instance.desired === 'run');
  const failed = new Set(deployment?.failures.map(({ instanceId }) => instanceId));
  const [fitting = null] = running
    .filter(
      (instance) =>
        targets.some((target) => fitsTarget(instance, target)) &&
        !failed.has(instance.id) &&
        draft.nodes.get(instance.nodeId)?.eligibility !== 'draining',
    )
    .sort((a, b) => Number(isReady(draft, b)) - Number(isReady(draft, a)) || (isNewer(a, b) ? 1 : -1));
  return {
    slot,
    fitting,
    outdated: running.filter((instance) => instance !== fitting),
    leaving: instances.filter((instance) => isLive(instance) && instance.desired !== 'run'),
    ended: instances.filter((instance) => !isLive(instance)).sort((a, b) => (isNewer(a, b) ? -1 : 1)),
  };
}
