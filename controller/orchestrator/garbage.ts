import type { Instance, Service } from '../../shared/contracts/entities.ts';
import { isInfrastructure } from '../../shared/contracts/failure-cause.ts';
import { type Draft, isLive } from './draft.ts';
import { hasFinished, lastOf } from './service-view.ts';
import { isNewer } from './slots.ts';

/** Ended instances kept per slot, for `describe` and for the reasons of a failure. */
const KEPT_PER_SLOT = 3;

/**
 * Failed ones kept per slot beyond that while they count for the backoff: as many as it takes to reach its limit. Of those
 * that failed for a reason of the infrastructure it takes `freeRetries` times as many.
 */
const FAILED_KEPT_PER_SLOT = 7;

/** Forgets what nobody needs any more: old ended instances, and deleted services of which nothing lives. */
export function collectGarbage(draft: Draft): void {
  for (const service of draft.input.snapshot.services) {
    const instances = draft.instancesOf(service.name);
    if (service.deleted && !instances.some(isLive)) {
      for (const { id } of instances) if (!draft.act({ type: 'removeInstance', instanceId: id })) return;
      draft.act({ type: 'removeService', service: service.name });
      continue;
    }
    for (const instance of outdated(draft, instances, service)) {
      if (!draft.act({ type: 'removeInstance', instanceId: instance.id })) return;
    }
  }
}

function outdated(draft: Draft, instances: readonly Instance[], service: Service): Instance[] {
  const bySlot = new Map<number, Instance[]>();
  for (const instance of instances) {
    if (isLive(instance)) continue;
    bySlot.set(instance.slot, [...(bySlot.get(instance.slot) ?? []), instance]);
  }
  const deployment = draft.deploymentOf(service);
  return [...bySlot.values()].flatMap((slot) => {
    const ended = slot.sort((a, b) => (isNewer(a, b) ? -1 : 1));
    const atRest = [service.target, service.stable].map((target) => target && lastOf(ended, target, deployment));
    return ended.filter(
      (instance, age) =>
        age >= KEPT_PER_SLOT &&
        // It is why the slot stays empty, now or when a deployment has gone back.
        !(hasFinished(instance) && atRest.includes(instance)) &&
        !isRemembered(draft, instance, age, service.deploymentId),
    );
  });
}

function isRemembered(draft: Draft, instance: Instance, age: number, deploymentId: string | null): boolean {
  const { nowMs, limits } = draft.input;
  const { state, reason } = instance.status;
  if (state !== 'failed') return false;
  if (age >= FAILED_KEPT_PER_SLOT * (isInfrastructure(reason) ? limits.freeRetries : 1)) return false;
  if (deploymentId !== null && instance.deploymentId === deploymentId && age < FAILED_KEPT_PER_SLOT) return true;
  return nowMs - (draft.seen(instance)?.stateAtMs ?? nowMs) < limits.failureMemoryMs;
}
