import type { Instance, Service } from '../../shared/contracts/entities.ts';
import type { PlanServiceResult } from '../../shared/contracts/operations.ts';
import type { Snapshot } from '../../shared/contracts/snapshot.ts';
import type { ServiceSpec } from '../../shared/contracts/spec.ts';
import { Draft, isLive } from './draft.ts';
import { defaultLimits } from './limits.ts';
import { observe } from './observe.ts';
import { place } from './place.ts';
import { planSlots } from './slots.ts';
import { diffSpecs } from './spec-diff.ts';

/**
 * What a deploy of `spec` would do to a service, without doing it: what changes, how many instances are replaced, added
 * and removed, and where each slot would go. `node` null in a placement means that no node can take it, and why.
 */
export function planChanges(snapshot: Snapshot, spec: ServiceSpec, artifact: string | null): PlanServiceResult {
  const service = snapshot.services.find(({ name, deleted }) => name === spec.name && !deleted);
  const current = snapshot.revisions.find(
    (revision) => revision.service === spec.name && revision.revision === service?.target.revision,
  );
  const changes = diffSpecs(current ?? null, { spec, artifact });
  const replaces = changes.some(({ consequence }) => consequence.startsWith('replaces'));

  const draft = draftOf(snapshot, spec);
  const running = draft.instancesOf(spec.name).filter((instance) => isLive(instance) && instance.desired === 'run');
  const { slots, hostCaps } = planSlots(spec.scale, spec, [...draft.nodes.values()], running);
  const occupied = new Map(running.map((instance) => [instance.slot, instance]));
  const placements = slots.map((slot) => {
    const present = occupied.get(slot);
    if (present !== undefined && !replaces) return stays(draft, present);
    return placeSlot(draft, spec, slot, hostCaps);
  });
  const kept = slots.filter((slot) => occupied.has(slot)).length;
  return {
    service: spec.name,
    exists: service !== undefined,
    fromRevision: service?.target.revision ?? null,
    changes,
    replaces: replaces ? kept : 0,
    adds: slots.length - kept,
    removes: occupied.size - kept,
    placements,
    warnings: warningsFor(spec, slots.length, service),
  };
}

function draftOf(snapshot: Snapshot, spec: ServiceSpec): Draft {
  const proposed = {
    service: spec.name,
    revision: Number.MAX_SAFE_INTEGER,
    spec,
    artifact: null,
    createdAt: 0,
    createdBy: '',
  };
  let created = 0;
  return new Draft({
    snapshot: { ...snapshot, revisions: [...snapshot.revisions, proposed] },
    observations: observe(null, snapshot, 0),
    nowMs: 0,
    newId: () => `planned-${created++}`,
    limits: { ...defaultLimits, maxActions: Number.MAX_SAFE_INTEGER },
  });
}

function stays(draft: Draft, { slot, nodeId }: Instance): PlanServiceResult['placements'][number] {
  return { slot, node: draft.nodes.get(nodeId)?.name ?? nodeId, reason: 'stays' };
}

/** Takes the room in the draft too, so that the slots after it see what is left. */
function placeSlot(
  draft: Draft,
  spec: ServiceSpec,
  slot: number,
  hostCaps: ReadonlyMap<string, number> | null,
): PlanServiceResult['placements'][number] {
  const leaving = draft.instancesOf(spec.name).filter((instance) => isLive(instance) && instance.slot === slot);
  // With stop-first its own predecessor is gone by then and its reservation free.
  if (spec.update.order === 'stop-first') {
    for (const { id } of leaving) draft.act({ type: 'loseInstance', instanceId: id, reason: 'replaced' });
  }
  const placement = place(draft, { spec, slot, hostCaps, failedOn: new Map() });
  if (placement.node === null) return { slot, node: null, reason: placement.reason };
  draft.act({
    type: 'createInstance',
    instanceId: draft.input.newId(),
    service: spec.name,
    slot,
    target: { revision: Number.MAX_SAFE_INTEGER, generation: 0 },
    nodeId: placement.node.id,
    deploymentId: null,
    port: 'own',
    reason: 'planned',
  });
  // With start-first it leaves once the new one is ready; only a few slots are at that point at the same time.
  for (const { id } of leaving) draft.act({ type: 'loseInstance', instanceId: id, reason: 'replaced' });
  return { slot, node: placement.node.name, reason: leaving.length > 0 ? 'replaces' : 'new' };
}

function warningsFor(spec: ServiceSpec, slots: number, service: Service | undefined): string[] {
  const warnings: string[] = [];
  if (spec.health.probe === undefined) {
    warnings.push(
      spec.waitReady || spec.routes.length > 0
        ? 'no health probe: an instance counts as healthy while its process runs and is ready'
        : 'no health probe, no wait_ready and no route: an instance counts as healthy as soon as its process runs',
    );
  }
  if (slots === 1 && spec.update.order === 'stop-first') {
    warnings.push('instances: 1 with stop-first means downtime in each deploy');
  }
  if (slots === 0) warnings.push('instances: 0 runs nothing');
  if (service?.stopped) warnings.push('the service is stopped: nothing runs before it is started');
  if (spec.routes.length > 0 && spec.expectListen === false) {
    warnings.push('it has routes but expectListen is false: requests may come before it listens');
  }
  if (spec.placement.onDisconnect === 'stop' && spec.update.order === 'start-first') {
    warnings.push('onDisconnect: stop guards against two at once, but start-first runs two in each deploy');
  }
  return warnings;
}
