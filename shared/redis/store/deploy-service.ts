import { createHash } from 'node:crypto';
import { DroverError } from '../../contracts/drover-error.ts';
import type { Revision, Service, Target } from '../../contracts/entities.ts';
import { canonicalJson } from './canonical-json.ts';
import { type Commit, transact } from './commit.ts';
import { finishedInstances } from './finished-instances.ts';
import { readDocument } from './read-document.ts';
import {
  begin,
  existing,
  readServiceDraft,
  record,
  refuseDeleted,
  type ServiceDraft,
  toStep,
  writeService,
} from './service-draft.ts';
import type { Accepted, DeployRequest } from './store.ts';
import type { StoreContext } from './store-context.ts';
import { trimRevisions } from './trim-revisions.ts';

/** A client gives up retrying long before; then its key may mean something else. */
const idempotencyMs = 86_400_000;

interface IdempotencyRecord {
  readonly request: string;
  readonly accepted: Accepted;
}

export async function deployService(context: StoreContext, name: string, request: DeployRequest): Promise<Accepted> {
  const requestHash = hashRequest(request);
  const { idempotencyKey } = request;
  return await transact(context, `deploy ${name}`, async () => {
    const draft = await readServiceDraft(context, name);
    if (idempotencyKey !== undefined) {
      const earlier = await recall(context, draft, name, idempotencyKey, requestHash);
      if (earlier !== null) return { result: earlier };
    }
    const lastRevision = draft.service?.lastRevision ?? 0;
    if (request.ifRevision !== undefined && request.ifRevision !== lastRevision) {
      throw new DroverError(
        'REVISION_CONFLICT',
        `Service ${name} is at revision ${lastRevision}, not ${request.ifRevision}. Look at the change with: drover plan`,
        { details: { lastRevision, ifRevision: request.ifRevision } },
      );
    }
    if (draft.service !== null) refuseDeleted(draft.service);

    const accepted =
      request.kind === 'rollback'
        ? await rollBack(context, draft, name, request)
        : await deploy(context, draft, name, request);
    if (idempotencyKey !== undefined) {
      const answer: IdempotencyRecord = { request: requestHash, accepted };
      const key = context.keys.idempotency(name, idempotencyKey);
      draft.write.push(['SET', key, JSON.stringify(answer), 'PX', String(idempotencyMs)]);
    }
    return draft.write.length === 0 ? { result: accepted } : { step: finish(draft), result: accepted };
  });
}

function finish(draft: ServiceDraft): Commit {
  return draft.events.length === 0 ? { expect: draft.expect, write: draft.write, events: [] } : toStep(draft);
}

async function recall(
  context: StoreContext,
  draft: ServiceDraft,
  name: string,
  idempotencyKey: string,
  requestHash: string,
): Promise<Accepted | null> {
  const key = context.keys.idempotency(name, idempotencyKey);
  const text = await context.ask('read an idempotency record', (redis) => redis.get(key));
  draft.expect.push({ key, text });
  if (text === null) return null;
  const earlier = JSON.parse(text) as IdempotencyRecord;
  if (earlier.request === requestHash) return earlier.accepted;
  throw new DroverError(
    'IDEMPOTENCY_MISMATCH',
    `The idempotency key ${idempotencyKey} was used for another deploy of ${name}. Use a new key for a new request.`,
  );
}

function hashRequest({ spec, artifact, ifRevision, kind, toRevision, update }: DeployRequest): string {
  const text = canonicalJson({ spec, artifact, ifRevision, kind, toRevision, update });
  return createHash('sha256').update(text).digest('hex');
}

async function deploy(
  context: StoreContext,
  draft: ServiceDraft,
  name: string,
  request: DeployRequest,
): Promise<Accepted> {
  const { service, deployment } = draft;
  if (service !== null) {
    const current = await readRevision(context, name, service.target.revision);
    if (current !== null && sameButScale(current, request)) return await deploySame(context, draft, service, request);
  }

  const { keys } = context;
  const { spec, artifact, actor, update } = request;
  if (artifact !== null) await claimArtifact(context, draft, artifact);
  const last = await context.ask('read the last revision', (redis) => redis.hget(keys.lastRevisions, name));
  draft.expect.push({ key: keys.lastRevisions, field: name, text: last });
  const number = Number(last ?? 0) + 1;
  const nowMs = context.nowMs();
  const revision: Revision = { service: name, revision: number, spec, artifact, createdAt: nowMs, createdBy: actor };
  draft.write.push(
    ['HSET', keys.revisions(name), String(number), JSON.stringify(revision)],
    ['HSET', keys.lastRevisions, name, String(number)],
  );
  if (artifact !== null) draft.write.push(['SADD', keys.artifactUsers(artifact), `${name}@${number}`]);

  const to: Target = { revision: number, generation: 0 };
  const from = service?.stable ?? null;
  const deploymentId = await begin(context, draft, { service: name, kind: 'deploy', from, to, update, actor });
  writeService(context, draft, {
    name,
    target: to,
    stable: from,
    scale: spec.scale,
    ...scaleBefore(draft),
    stopped: false,
    deleted: false,
    deploymentId,
    lastRevision: number,
    createdAt: service?.createdAt ?? nowMs,
    updatedAt: nowMs,
  });
  record(draft, 'service.deployed', name, actor, { revision: number });
  if (service?.stopped) record(draft, 'service.started', name, actor);
  await trimRevisions(context, draft, name, [to, service?.target, from, deployment?.from, deployment?.to]);
  return { service: name, revision: number, deploymentId };
}

/** Nothing new to run: the scale may change, what is stopped or has finished starts, a target that never succeeded is tried again. */
async function deploySame(
  context: StoreContext,
  draft: ServiceDraft,
  service: Service,
  { spec, actor, update }: DeployRequest,
): Promise<Accepted> {
  const { name, stable } = service;
  const scaled = canonicalJson(spec.scale) !== canonicalJson(service.scale);
  const succeeded = stable !== null && stable.revision === service.target.revision;
  const accepted = (deploymentId: string | null) => ({
    service: name,
    revision: service.target.revision,
    deploymentId,
  });
  const startedAgain = await finishedInstances(context, name);
  const isNews = startedAgain.some((id) => service.startedAgain?.includes(id) !== true);
  const updatedAt = context.nowMs();
  const next: Service = {
    ...service,
    ...scaleBefore(draft),
    scale: spec.scale,
    stopped: false,
    startedAgain,
    updatedAt,
  };
  if (scaled) record(draft, 'service.scaled', name, actor, { from: service.scale, to: spec.scale });
  if (service.stopped) record(draft, 'service.started', name, actor);

  if (draft.deployment !== null) {
    if (scaled || isNews) writeService(context, draft, next);
    return accepted(draft.deployment.id);
  }
  if (!scaled && !isNews && succeeded && !service.stopped) return accepted(null);
  const retried = { ...service.target, generation: service.target.generation + 1 };
  const to = succeeded ? service.target : retried;
  const kind = succeeded && scaled ? 'scale' : 'deploy';
  const deploymentId = await begin(context, draft, { service: name, kind, from: stable, to, update, actor });
  writeService(context, draft, { ...next, target: to, deploymentId });
  return accepted(deploymentId);
}

/** The count to go back to. A service that was stored without one, and is settled, is there. */
function scaleBefore({ service, deployment }: ServiceDraft): Pick<Service, 'stableScale'> {
  if (service === null || service.stableScale !== undefined)
    return service === null ? {} : { stableScale: service.stableScale };
  const { target, stable, scale } = service;
  const isSettled =
    deployment === null && stable?.revision === target.revision && stable.generation === target.generation;
  return isSettled ? { stableScale: scale } : {};
}

function sameButScale(revision: Revision, { spec, artifact }: DeployRequest): boolean {
  const { scale: _before, ...before } = revision.spec;
  const { scale: _after, ...after } = spec;
  return revision.artifact === artifact && canonicalJson(before) === canonicalJson(after);
}

async function rollBack(
  context: StoreContext,
  draft: ServiceDraft,
  name: string,
  { toRevision, actor, update }: DeployRequest,
): Promise<Accepted> {
  const service = existing(draft, name);
  const number = toRevision ?? (await lastGoodRevision(context, service));
  if (number === null) {
    throw new DroverError(
      'REVISION_NOT_FOUND',
      `Service ${name} has no earlier revision that was deployed with success.`,
    );
  }
  if ((await readRevision(context, name, number)) === null) {
    throw new DroverError(
      'REVISION_NOT_FOUND',
      `Service ${name} has no revision ${number}. List them with: drover describe ${name}`,
    );
  }
  if (number === service.target.revision) {
    throw new DroverError('STATE_CONFLICT', `Service ${name} is on revision ${number} already.`);
  }
  // Instances of the stable target may still run: its generation lets them stay.
  const to = service.stable?.revision === number ? service.stable : { revision: number, generation: 0 };
  const kind = 'rollback';
  const deploymentId = await begin(context, draft, { service: name, kind, from: service.stable, to, update, actor });
  // Only a deploy that has not succeeded has a count of its own: it ends here, and its count with it.
  const scale = service.stableScale ?? service.scale;
  const next: Service = { ...service, target: to, scale, stopped: false, deploymentId, updatedAt: context.nowMs() };
  // What had run to its end before that deploy is left so; to deploy an older revision is to ask for it again.
  const isTakenBack = to === service.stable && !service.stopped;
  const again = isTakenBack ? {} : { startedAgain: await finishedInstances(context, name) };
  writeService(context, draft, { ...next, ...again });
  record(draft, 'service.deployed', name, actor, { revision: number });
  if (canonicalJson(scale) !== canonicalJson(service.scale)) {
    record(draft, 'service.scaled', name, actor, { from: service.scale, to: scale });
  }
  return { service: name, revision: number, deploymentId };
}

/** The last revision before the target whose deployment succeeded, and which is still there. */
async function lastGoodRevision(context: StoreContext, { name, target, stable }: Service): Promise<number | null> {
  if (stable !== null && stable.revision !== target.revision) return stable.revision;
  const { keys } = context;
  const ids = await context.ask('list deployments', (redis) => redis.zrevrange(keys.deploymentsOf(name), 0, -1));
  for (const id of ids) {
    const { value } = await readDocument<{ state: string; to: Target }>(context, keys.deployments, id);
    if (value?.state !== 'succeeded' || value.to.revision === target.revision) continue;
    if ((await readRevision(context, name, value.to.revision)) !== null) return value.to.revision;
  }
  return null;
}

export async function readRevision(context: StoreContext, name: string, revision: number): Promise<Revision | null> {
  return (await readDocument<Revision>(context, context.keys.revisions(name), String(revision))).value;
}

/** An artifact nobody uses is removed after a while; from now on it has a user. @throws ARTIFACT_NOT_FOUND */
async function claimArtifact(context: StoreContext, draft: ServiceDraft, digest: string): Promise<void> {
  const key = context.keys.artifact(digest);
  const meta = await context.ask('read an artifact', (redis) => redis.hget(key, 'meta'));
  if (meta === null) {
    throw new DroverError('ARTIFACT_NOT_FOUND', `No artifact has the digest ${digest}. Upload it before the deploy.`);
  }
  draft.expect.push({ key, field: 'meta', text: meta });
  draft.write.push(['PERSIST', key]);
}
