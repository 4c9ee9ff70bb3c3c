import { DroverError } from '../../contracts/drover-error.ts';
import type { Deployment, Service, Target } from '../../contracts/entities.ts';
import type { EventType, NewEvent } from '../../contracts/events.ts';
import type { UpdatePolicy } from '../../contracts/spec.ts';
import { isEnded } from '../../state/deployment-states.ts';
import type { Commit, Expectation, Write } from './commit.ts';
import { readDocument } from './read-document.ts';
import type { StoreContext } from './store-context.ts';

/** Ended deployments kept for each service; older ones are forgotten when a new one begins. */
const maxDeploymentsPerService = 50;

/** A service as it was read, with the deployment in progress, and everything that one request changes about them. */
export interface ServiceDraft {
  readonly service: Service | null;
  /** In progress, or null. */
  readonly deployment: Deployment | null;
  readonly expect: Expectation[];
  readonly write: Write[];
  readonly events: NewEvent[];
  readonly releaseArtifacts: { readonly digest: string; readonly user: string }[];
}

export async function readServiceDraft(context: StoreContext, name: string): Promise<ServiceDraft> {
  const { keys } = context;
  const stored = await readDocument<Service>(context, keys.services, name);
  const expect = [stored.expectation];
  let deployment: Deployment | null = null;
  if (stored.value?.deploymentId != null) {
    const active = await readDocument<Deployment>(context, keys.deployments, stored.value.deploymentId);
    expect.push(active.expectation);
    if (active.value !== null && !isEnded(active.value.state)) deployment = active.value;
  }
  return { service: stored.value, deployment, expect, write: [], events: [], releaseArtifacts: [] };
}

/** @throws SERVICE_NOT_FOUND */
export function existing(draft: ServiceDraft, name: string): Service {
  if (draft.service !== null) return draft.service;
  throw new DroverError('SERVICE_NOT_FOUND', `No service is named ${name}. List them with: drover ls`);
}

/** @throws STATE_CONFLICT */
export function refuseDeleted(service: Service): void {
  if (service.deleted) {
    throw new DroverError(
      'STATE_CONFLICT',
      `Service ${service.name} is being deleted. Wait until it has gone, then deploy it again.`,
    );
  }
}

/** Ends the deployment in progress, if any, because something newer takes its place. */
export function supersede(context: StoreContext, draft: ServiceDraft, actor: string, reason: string): void {
  const { deployment } = draft;
  if (deployment === null) return;
  const ended: Deployment = { ...deployment, state: 'superseded', reason, endedAt: context.nowMs() };
  writeDeployment(context, draft, ended);
  draft.events.push({
    type: 'deployment.stateChanged',
    actor,
    reason,
    service: deployment.service,
    deploymentId: deployment.id,
    data: { from: deployment.state, to: 'superseded' },
  });
}

export interface NewDeployment {
  readonly service: string;
  readonly kind: Deployment['kind'];
  readonly from: Target | null;
  readonly to: Target;
  readonly update: UpdatePolicy;
  readonly actor: string;
}

/** Begins a deployment; returns its id. */
export async function begin(context: StoreContext, draft: ServiceDraft, request: NewDeployment): Promise<string> {
  const { keys } = context;
  const { service, kind, from, to, update, actor } = request;
  supersede(context, draft, actor, `a newer ${kind} has begun`);
  const nowMs = context.nowMs();
  const deployment: Deployment = {
    id: context.newId(),
    service,
    kind,
    from,
    to,
    state: 'rolling',
    update,
    failures: [],
    reason: '',
    progress: { total: 0, updated: 0, healthy: 0 },
    createdBy: actor,
    createdAt: nowMs,
    endedAt: null,
  };
  draft.expect.push({ key: keys.deployments, field: deployment.id, text: null });
  writeDeployment(context, draft, deployment);
  // A clock that went back must not put it behind earlier ones: the newest is what users see, and rollbacks go by it.
  const [, last] = await context.ask('read the last deployment', (redis) =>
    redis.zrevrange(keys.deploymentOrder, 0, 0, 'WITHSCORES'),
  );
  const place = String(Math.max(nowMs, Number(last ?? 0) + 1));
  draft.write.push(
    ['ZADD', keys.deploymentOrder, place, deployment.id],
    ['ZADD', keys.deploymentsOf(service), place, deployment.id],
  );
  const outdated = await context.ask('list deployments', (redis) =>
    redis.zrange(keys.deploymentsOf(service), '0', String(-maxDeploymentsPerService)),
  );
  for (const id of outdated) if (id !== draft.deployment?.id) forgetDeployment(context, draft.write, service, id);
  draft.events.push({
    type: 'deployment.created',
    actor,
    reason: kind,
    service,
    deploymentId: deployment.id,
    data: { from, to },
  });
  return deployment.id;
}

export function forgetDeployment(context: StoreContext, write: Write[], service: string, id: string): void {
  const { keys } = context;
  write.push(
    ['HDEL', keys.deployments, id],
    ['SREM', keys.activeDeployments, id],
    ['ZREM', keys.deploymentOrder, id],
    ['ZREM', keys.deploymentsOf(service), id],
  );
}

export function writeDeployment(context: StoreContext, draft: Pick<ServiceDraft, 'write'>, deployment: Deployment) {
  const { keys } = context;
  const ended = isEnded(deployment.state);
  draft.write.push(
    ['HSET', keys.deployments, deployment.id, JSON.stringify(deployment)],
    [ended ? 'SREM' : 'SADD', keys.activeDeployments, deployment.id],
  );
}

export function writeService(context: StoreContext, draft: ServiceDraft, service: Service): void {
  draft.write.push(['HSET', context.keys.services, service.name, JSON.stringify(service)]);
}

export function record(draft: ServiceDraft, type: EventType, service: string, actor: string, data = {}): void {
  draft.events.push({ type, actor, reason: '', service, data });
}

/** The step that writes the draft. A change of what should run concerns the leader; plans change when it has acted. */
export function toStep({ expect, write, events, releaseArtifacts }: ServiceDraft): Commit {
  return { expect, write, events, releaseArtifacts, wake: { kind: 'desired', nodes: [] } };
}
