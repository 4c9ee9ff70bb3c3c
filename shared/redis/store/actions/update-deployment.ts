import type { Deployment, DeploymentState, Service } from '../../../contracts/entities.ts';
import type { NewEvent } from '../../../contracts/events.ts';
import type { Scale } from '../../../contracts/spec.ts';
import { isEnded, mayMove } from '../../../state/deployment-states.ts';
import { canonicalJson } from '../canonical-json.ts';
import { commit, type Expectation, type Write } from '../commit.ts';
import { readDocument } from '../read-document.ts';
import { writeDeployment } from '../service-draft.ts';
import type { ActionContext, ActionOf } from './action-context.ts';

/** Records progress, failures and state. A failure counts once for each instance, whoever tells it again. */
export async function updateDeployment(context: ActionContext, action: ActionOf<'updateDeployment'>): Promise<boolean> {
  const { store, term, actor } = context;
  const { keys } = store;
  const { deploymentId, state, reason, progress } = action;
  const stored = await readDocument<Deployment>(store, keys.deployments, deploymentId);
  const before = stored.value;
  if (before === null || !mayMove(before.state, state)) return false;
  if (isEnded(before.state) && action.service === undefined) return true;

  const known = new Set(before.failures.map((failure) => failure.instanceId));
  const newFailures = action.failures.filter((failure) => !known.has(failure.instanceId));
  const moved = state !== before.state;
  const next: Deployment = {
    ...before,
    state,
    reason,
    progress,
    failures: [...before.failures, ...newFailures],
    endedAt: isEnded(state) ? (before.endedAt ?? store.nowMs()) : null,
  };
  const expect: Expectation[] = [stored.expectation];
  const write: Write[] = [];
  if (canonicalJson(next) !== canonicalJson(before)) writeDeployment(store, { write }, next);

  let returned: { readonly from: Scale; readonly to: Scale } | null = null;
  const storedService = await readDocument<Service>(store, keys.services, before.service);
  const service = storedService.value;
  if (service !== null) {
    // Once something newer has taken over, the target is no longer this deployment's to move.
    if (action.service !== undefined && service.deploymentId !== deploymentId && !isEnded(before.state)) return false;
    const own = service.deploymentId === deploymentId;
    const moves = own && action.service !== undefined ? action.service : {};
    const freed = own && isEnded(state) ? { deploymentId: null } : {};
    const scaled = own && moved ? scaleAfter(state, service) : {};
    const nextService: Service = { ...service, ...moves, ...freed, ...scaled };
    if (canonicalJson(nextService.scale) !== canonicalJson(service.scale)) {
      returned = { from: service.scale, to: nextService.scale };
    }
    if (canonicalJson(nextService) !== canonicalJson(service)) {
      expect.push(storedService.expectation);
      write.push([
        'HSET',
        keys.services,
        service.name,
        JSON.stringify({ ...nextService, updatedAt: store.nowMs() } satisfies Service),
      ]);
    }
  }

  const events: NewEvent[] = newFailures.map((failure) => ({
    type: 'deployment.instanceFailed',
    actor,
    reason: failure.reason,
    service: before.service,
    instanceId: failure.instanceId,
    deploymentId,
    data: { slot: failure.slot, node: failure.node },
  }));
  if (returned !== null)
    events.push({ type: 'service.scaled', actor, reason, service: before.service, data: returned });
  if (moved) {
    const data = { from: before.state, to: state, target: action.service?.target ?? before.to };
    events.push({ type: 'deployment.stateChanged', actor, reason, service: before.service, deploymentId, data });
  }
  const { committed } = await commit(store, 'update a deployment', {
    term,
    expect,
    write,
    events,
    ...(write.length === 0 ? {} : { wake: moved ? { kind: 'desired' } : { kind: 'report', nodes: [] } }),
  });
  return committed;
}

/** By what the service is now, not by what the leader saw: a user may have scaled it in between. */
function scaleAfter(state: DeploymentState, { scale, stableScale }: Service): Partial<Service> {
  if (state === 'rolling-back') return { scale: stableScale ?? scale };
  return state === 'succeeded' || state === 'rolled-back' ? { stableScale: scale } : {};
}
