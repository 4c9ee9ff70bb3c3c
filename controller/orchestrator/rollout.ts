import type { Instance, Target } from '../../shared/contracts/entities.ts';
import { isInfrastructure } from '../../shared/contracts/failure-cause.ts';
import { fitsTarget } from '../../shared/state/fits-target.ts';
import type { Draft } from './draft.ts';
import { retire } from './drain.ts';
import { place } from './place.ts';
import { isAtRest, isReady, type ServiceView, type SlotView } from './service-view.ts';
import { leavingReason } from './take-back.ts';

/** What could not be done, for users: why slots stay empty. */
export interface RolloutOutcome {
  readonly unplaceable: readonly { readonly slot: number; readonly reason: string }[];
}

/**
 * Brings the slots of one service to their target: fills empty ones, replaces outdated ones within the bounds of the
 * update policy, and removes what is in the way or no longer wanted.
 *
 *   start-first   a new instance first; the old one leaves once the new one is ready and routed
 *   stop-first    the old one leaves first; never more than `maxParallel` slots are without a ready instance for that
 */
export function rollSlots(draft: Draft, view: ServiceView): RolloutOutcome {
  const unplaceable: { slot: number; reason: string }[] = [];
  let parallel = freeParallel(draft, view);
  let spare = sparePresence(draft, view);

  for (const slot of view.slots) {
    dropFailed(draft, view, slot);
    if (slot.fitting !== null) {
      if (isReady(draft, slot.fitting)) {
        retireOutdated(draft, view, slot);
      } else if (view.order === 'stop-first') {
        // Both cannot be there at once, and the new one is on its way.
        retireOutdated(draft, view, slot, (instance) => !isReady(draft, instance));
      }
      continue;
    }
    if (isPaused(view) && slot.outdated.length > 0) continue;
    if (isAtRest(view, slot, fillTarget(view) ?? view.service.target)) {
      retireOutdated(draft, view, slot);
      continue;
    }
    if (slot.outdated.length > 0 && view.order === 'stop-first') {
      const costs = slot.outdated.some((instance) => isReady(draft, instance)) ? 1 : 0;
      if (costs > 0 && costs > spare) continue;
      spare -= costs;
      retireOutdated(draft, view, slot);
      continue;
    }
    if (slot.leaving.length > 0 && view.order === 'stop-first') continue;
    if (slot.outdated.length > 0 && parallel <= 0) continue;
    if (!mayFill(draft, view, slot)) continue;
    const reason = fill(draft, view, slot);
    if (reason !== null) unplaceable.push({ slot: slot.slot, reason });
    else if (slot.outdated.length > 0) parallel -= 1;
  }
  for (const instance of view.surplus) retire(draft, instance, 'scaled down');
  return { unplaceable };
}

/** start-first: replacements that may be begun now. */
function freeParallel(draft: Draft, view: ServiceView): number {
  if (isRollingBack(view)) return view.slots.length;
  const coming = view.slots.filter(
    ({ fitting, outdated }) => fitting !== null && outdated.length > 0 && !isReady(draft, fitting),
  ).length;
  const going = view.slots.reduce((sum, { leaving }) => sum + leaving.length, 0);
  // Old ones on their way out may add once more as many, so that a slow drain does not stop the rollout at once.
  return Math.min(view.maxParallel - coming, 2 * view.maxParallel - coming - going);
}

/** stop-first: ready instances that may be taken away now. */
function sparePresence(draft: Draft, view: ServiceView): number {
  const present = view.slots.filter((slot) => slot.fitting !== null || !isAtRest(view, slot, view.service.target));
  const ready = present.filter(({ fitting, outdated }) =>
    [...(fitting === null ? [] : [fitting]), ...outdated].some((instance) => isReady(draft, instance)),
  ).length;
  return ready - (present.length - view.maxParallel);
}

/** What failed its deployment goes at once, unless a rollback is to put something in its place first. */
function dropFailed(draft: Draft, view: ServiceView, slot: SlotView): void {
  if (view.deployment?.state === 'rolling-back') return;
  const failed = new Set(view.deployment?.failures.map(({ instanceId }) => instanceId));
  retireOutdated(draft, view, slot, ({ id }) => failed.has(id));
}

function retireOutdated(
  draft: Draft,
  { deployment }: ServiceView,
  { outdated, fitting }: SlotView,
  which: (instance: Instance) => boolean = () => true,
): void {
  for (const instance of outdated.filter(which)) {
    retire(draft, instance, leavingReason(draft, instance, { deployment, fitting }));
  }
}

function mayFill(draft: Draft, view: ServiceView, slot: SlotView): boolean {
  const { deployment, service } = view;
  const target = fillTarget(view);
  if (target === null) return false;
  const failures = failedAttempts(view, slot, target);
  // The first deployment of this service has failed: another try of the same is for its user to ask for.
  if (deployment === undefined && service.stable === null && failures.length > 0) return false;
  return !isBackingOff(draft, failures) && !mayStillRun(draft, view, slot);
}

/** Null while a paused deployment has nothing to fall back on. */
function fillTarget(view: ServiceView): Target | null {
  return isPaused(view) ? (view.deployment?.from ?? null) : view.service.target;
}

function failedAttempts(view: ServiceView, slot: SlotView, target: Target): Instance[] {
  const counted = new Set(view.deployment?.failures.map(({ instanceId }) => instanceId));
  return slot.ended.filter(
    (instance) =>
      fitsTarget(instance, target) &&
      ((instance.status.state === 'failed' && instance.desired === 'run') || counted.has(instance.id)),
  );
}

function isBackingOff(draft: Draft, failures: readonly Instance[]): boolean {
  const { nowMs, limits } = draft.input;
  const agesMs = failures.map((instance) => nowMs - (draft.seen(instance)?.stateAtMs ?? nowMs));
  const recent = failures.filter((_, index) => agesMs[index]! < limits.failureMemoryMs);
  const infrastructure = recent.filter(({ status }) => isInfrastructure(status.reason)).length;
  const weight = recent.length - infrastructure + Math.floor(infrastructure / limits.freeRetries);
  if (weight === 0) return false;
  return Math.min(...agesMs) < Math.min(limits.backoffLimitMs, limits.backoffMs * 2 ** (weight - 1));
}

/** A cut-off node stops such a service by itself after a while; before that a second instance must not start. */
function mayStillRun(draft: Draft, view: ServiceView, slot: SlotView): boolean {
  const { nowMs, limits } = draft.input;
  return slot.ended.some((instance) => {
    const spec = draft.spec(instance.service, instance.revision) ?? view.spec;
    if (instance.status.state !== 'lost' || spec.placement.onDisconnect !== 'stop') return false;
    if (!draft.nodes.has(instance.nodeId)) return false;
    const lostForMs = nowMs - (draft.seen(instance)?.stateAtMs ?? nowMs);
    const stillMs =
      Math.max(0, spec.placement.stopAfterMs - limits.lostAfterMs) + spec.killTimeoutMs + limits.stopMarginMs;
    return lostForMs < stillMs;
  });
}

/** Creates an instance for a slot. Answers why not, or null. */
function fill(draft: Draft, view: ServiceView, { slot, ended }: SlotView): string | null {
  const target = fillTarget(view) ?? view.service.target;
  const spec = draft.spec(view.service.name, target.revision) ?? view.spec;
  const failedOn = new Map<string, number>();
  for (const { nodeId, status } of ended) {
    if (status.state === 'failed') failedOn.set(nodeId, (failedOn.get(nodeId) ?? 0) + 1);
  }
  const placement = place(draft, { spec, slot, hostCaps: view.hostCaps, failedOn });
  if (placement.node === null) return placement.reason;
  draft.act({
    type: 'createInstance',
    instanceId: draft.input.newId(),
    service: view.service.name,
    slot,
    target,
    nodeId: placement.node.id,
    deploymentId: view.deployment?.id ?? null,
    port: spec.execMode === 'cluster' ? 'shared' : spec.expectListen === false ? 'none' : 'own',
    reason: `slot ${slot} of ${view.service.name}`,
  });
  return null;
}

function isPaused(view: ServiceView): boolean {
  return view.deployment?.state === 'paused';
}

/** A rollback restores all slots at once: what it returns to has run before. */
function isRollingBack(view: ServiceView): boolean {
  return view.deployment?.state === 'rolling-back' || view.deployment?.kind === 'rollback';
}
