import { DroverError } from '../../contracts/drover-error.ts';
import type { Revision, Service } from '../../contracts/entities.ts';
import { canonicalJson } from './canonical-json.ts';
import { transact } from './commit.ts';
import { deployService, readRevision } from './deploy-service.ts';
import { finishedInstances } from './finished-instances.ts';
import { readDocument } from './read-document.ts';
import { readInstances } from './read-instances.ts';
import {
  begin,
  existing,
  readServiceDraft,
  record,
  refuseDeleted,
  type ServiceDraft,
  supersede,
  toStep,
  writeService,
} from './service-draft.ts';
import type { Accepted, ServiceStore } from './store.ts';
import type { StoreContext } from './store-context.ts';

export function createServiceStore(context: StoreContext): ServiceStore {
  const { keys } = context;

  /** Reads the service, lets `change` write the draft, and commits it. `change` answers with the deployment that follows. */
  function edit(
    name: string,
    operation: string,
    change: (service: Service, draft: ServiceDraft) => Promise<string | null>,
  ): Promise<Accepted> {
    return transact(context, `${operation} ${name}`, async () => {
      const draft = await readServiceDraft(context, name);
      const service = existing(draft, name);
      const deploymentId = await change(service, draft);
      const result = { service: name, revision: service.target.revision, deploymentId };
      return draft.write.length === 0 ? { result } : { step: toStep(draft), result };
    });
  }

  return {
    async list() {
      const texts = await context.ask('list services', (redis) => redis.hvals(keys.services));
      return texts.map((text) => JSON.parse(text) as Service).sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    async get(name) {
      return (await readDocument<Service>(context, keys.services, name)).value;
    },
    deploy: (name, request) => deployService(context, name, request),

    scale: (name, scale, actor) =>
      edit(name, 'scale', async (service, draft) => {
        refuseDeleted(service);
        const same = canonicalJson(scale) === canonicalJson(service.scale);
        if (same && canonicalJson(scale) === canonicalJson(service.stableScale ?? service.scale)) {
          return draft.deployment?.id ?? null;
        }
        record(draft, 'service.scaled', name, actor, { from: service.scale, to: scale });
        // Whoever asks for a count gets it, also when a deploy that is under way fails.
        const next: Service = { ...service, scale, stableScale: scale, updatedAt: context.nowMs() };
        // A deployment in progress takes the new count along; a stopped service has nothing to roll out.
        if (same || draft.deployment !== null || service.stopped) {
          writeService(context, draft, next);
          return draft.deployment?.id ?? null;
        }
        const revision = await readRevision(context, name, service.target.revision);
        if (revision === null) throw new DroverError('INTERNAL', `Service ${name} has lost its target revision.`);
        const { stable: from, target: to } = service;
        const { update } = revision.spec;
        const deploymentId = await begin(context, draft, { service: name, kind: 'scale', from, to, update, actor });
        writeService(context, draft, { ...next, deploymentId });
        return deploymentId;
      }),

    renew: (name, kind, update, actor) =>
      edit(name, kind, async (service, draft) => {
        refuseDeleted(service);
        if (service.stopped) {
          throw new DroverError('STATE_CONFLICT', `Service ${name} is stopped. Start it with: drover start ${name}`);
        }
        // A second request while the first is under way asks for what is being done.
        if (draft.deployment?.kind === kind && draft.deployment.state === 'rolling') return draft.deployment.id;
        const { target, stable: from } = service;
        const generation = 1 + (await lastGeneration(context, service));
        const to = { revision: target.revision, generation };
        const deploymentId = await begin(context, draft, { service: name, kind, from, to, update, actor });
        writeService(context, draft, { ...service, target: to, deploymentId, updatedAt: context.nowMs() });
        return deploymentId;
      }),

    setStopped: (name, stopped, actor) =>
      edit(name, stopped ? 'stop' : 'start', async (service, draft) => {
        refuseDeleted(service);
        const startedAgain = stopped ? [] : await finishedInstances(context, name);
        const isNews = startedAgain.some((id) => service.startedAgain?.includes(id) !== true);
        if (service.stopped === stopped && !isNews) return draft.deployment?.id ?? null;
        if (stopped) supersede(context, draft, actor, 'the service was stopped');
        record(draft, stopped ? 'service.stopped' : 'service.started', name, actor);
        if (service.stopped === stopped) {
          writeService(context, draft, { ...service, startedAgain, updatedAt: context.nowMs() });
          return draft.deployment?.id ?? null;
        }
        const next: Service = { ...service, stopped, startedAgain, deploymentId: null, updatedAt: context.nowMs() };
        const retry = stopped || isStable(service) ? null : await retryTarget(context, draft, service, actor);
        // Without a deployment there is none that could fail: the count that there is stays.
        const settled = stopped || retry !== null ? {} : { stableScale: service.scale };
        writeService(context, draft, { ...next, ...settled, ...retry });
        return retry?.deploymentId ?? null;
      }),

    markDeleted: (name, actor) =>
      edit(name, 'delete', async (service, draft) => {
        if (service.deleted) return null;
        supersede(context, draft, actor, 'the service was deleted');
        record(draft, 'service.deleted', name, actor);
        const deleted: Service = { ...service, deleted: true, deploymentId: null, updatedAt: context.nowMs() };
        writeService(context, draft, deleted);
        return null;
      }),

    async listRevisions(name) {
      const texts = await context.ask('list revisions', (redis) => redis.hvals(keys.revisions(name)));
      return texts.map((text) => JSON.parse(text) as Revision).sort((a, b) => b.revision - a.revision);
    },
    getRevision: (name, revision) => readRevision(context, name, revision),
  };
}

/** Of the target, or of what is left of a later one from which a deployment has gone back. */
async function lastGeneration(context: StoreContext, { name, target }: Service): Promise<number> {
  const found = await readInstances(context, context.keys.instancesOfService(name));
  const own = found.filter(({ instance }) => instance.revision === target.revision);
  return Math.max(target.generation, ...own.map(({ instance }) => instance.generation));
}

function isStable({ target, stable }: Service): boolean {
  return stable !== null && stable.revision === target.revision && stable.generation === target.generation;
}

/** A target that was stopped before its deployment could succeed gets another one, which can fail and be rolled back. */
async function retryTarget(
  context: StoreContext,
  draft: ServiceDraft,
  { name, target, stable: from }: Service,
  actor: string,
): Promise<Pick<Service, 'target' | 'deploymentId'> | null> {
  const revision = await readRevision(context, name, target.revision);
  if (revision === null) return null;
  const to = { revision: target.revision, generation: target.generation + 1 };
  const { update } = revision.spec;
  const deploymentId = await begin(context, draft, { service: name, kind: 'deploy', from, to, update, actor });
  return { target: to, deploymentId };
}
