import { DroverError } from '../../../shared/contracts/drover-error.ts';
import type { Service } from '../../../shared/contracts/entities.ts';
import type { ServiceView } from '../../../shared/contracts/operations.ts';
import type { Snapshot } from '../../../shared/contracts/snapshot.ts';
import type { ServiceSpec } from '../../../shared/contracts/spec.ts';
import { planChanges } from '../../orchestrator/dry-run.ts';
import { findRouteConflict } from '../../orchestrator/route-conflict.ts';
import { actorOf, type Handlers } from '../handler.ts';
import type { HandlerDeps } from './handler-deps.ts';

type ServiceHandlers = Pick<
  Handlers,
  | 'listServices'
  | 'getService'
  | 'putService'
  | 'planService'
  | 'deleteService'
  | 'scaleService'
  | 'reloadService'
  | 'restartService'
  | 'stopService'
  | 'startService'
  | 'rollbackService'
  | 'listRevisions'
  | 'listDeployments'
  | 'getDeployment'
  | 'listInstances'
  | 'getInstance'
>;

export function createServiceHandlers({ store }: HandlerDeps): ServiceHandlers {
  const findService = async (name: string): Promise<Service> => {
    const service = await store.services.get(name);
    if (service !== null) return service;
    const known = (await store.services.list()).map((other) => other.name).join(', ');
    throw new DroverError(
      'SERVICE_NOT_FOUND',
      `No service is called "${name}". Services: ${known === '' ? 'none yet; deploy one with: drover deploy' : known}`,
    );
  };
  const findRevision = async (name: string, revision: number) => {
    const found = await store.services.getRevision(name, revision);
    if (found !== null) return found;
    const known = (await store.services.listRevisions(name)).map((other) => other.revision).join(', ');
    throw new DroverError(
      'REVISION_NOT_FOUND',
      `Service ${name} has no revision ${revision}. Revisions kept: ${known}`,
    );
  };
  const view = async (service: Service): Promise<ServiceView> => {
    const [revision, [deployment], instances] = await Promise.all([
      findRevision(service.name, service.target.revision),
      store.deployments.list({ service: service.name, limit: 1 }),
      store.instances.list({ service: service.name }),
    ]);
    return { ...service, revision, deployment: deployment ?? null, instances };
  };
  const refuseTakenRoutes = (snapshot: Snapshot, spec: ServiceSpec): void => {
    const conflict = findRouteConflict(snapshot, spec);
    if (conflict === null) return;
    throw new DroverError(
      'STATE_CONFLICT',
      `Service ${conflict.service} has the route ${conflict.route} already; ${spec.name} needs another one`,
      {
        details: conflict,
        issues: [{ path: 'spec.routes', reason: `${conflict.route} is a route of ${conflict.service}` }],
      },
    );
  };
  /** Refuses before anything is written what no node can take. */
  const refuseUnplaceable = (snapshot: Snapshot, spec: ServiceSpec, artifact: string | null): void => {
    const plan = planChanges(snapshot, spec, artifact);
    const refused = plan.placements.filter(({ node }) => node === null);
    if (refused.length === 0) return;
    throw new DroverError(
      'PLACEMENT_IMPOSSIBLE',
      `${refused.length} of ${plan.placements.length} instances of ${spec.name} cannot be placed: ${refused[0]?.reason}`,
      { details: { service: spec.name, slots: refused.map(({ slot, reason }) => ({ slot, reason })) } },
    );
  };

  return {
    async listServices() {
      return Promise.all((await store.services.list()).map(view));
    },
    getService: async ({ params }) => view(await findService(params.name)),
    async putService({ params, body, caller }) {
      if (body.spec.name !== params.name) {
        throw new DroverError(
          'ARGUMENT_INVALID',
          `The spec is of "${body.spec.name}" but the path names "${params.name}"`,
          {
            issues: [{ path: 'spec.name', reason: 'differs from the name in the path', allowed: params.name }],
          },
        );
      }
      const snapshot = await store.leader.snapshot();
      refuseTakenRoutes(snapshot, body.spec);
      refuseUnplaceable(snapshot, body.spec, body.artifact);
      return store.services.deploy(params.name, {
        spec: body.spec,
        artifact: body.artifact,
        ...(body.ifRevision === undefined ? {} : { ifRevision: body.ifRevision }),
        ...(body.idempotencyKey === undefined ? {} : { idempotencyKey: body.idempotencyKey }),
        actor: actorOf(caller),
        kind: 'deploy',
        update: body.spec.update,
      });
    },
    planService: async ({ body }) => planChanges(await store.leader.snapshot(), body.spec, body.artifact),
    async deleteService({ params, caller }) {
      await findService(params.name);
      return store.services.markDeleted(params.name, actorOf(caller));
    },
    async scaleService({ params, body, caller }) {
      const service = await findService(params.name);
      const { spec, artifact } = await findRevision(service.name, service.target.revision);
      refuseUnplaceable(await store.leader.snapshot(), { ...spec, scale: body }, artifact);
      return store.services.scale(params.name, body, actorOf(caller));
    },
    async reloadService({ params, caller }) {
      const service = await findService(params.name);
      const { spec } = await findRevision(service.name, service.target.revision);
      return store.services.renew(params.name, 'reload', spec.update, actorOf(caller));
    },
    async restartService({ params, caller }) {
      const service = await findService(params.name);
      const { spec } = await findRevision(service.name, service.target.revision);
      return store.services.renew(
        params.name,
        'restart',
        { ...spec.update, order: 'stop-first', failureAction: 'pause' },
        actorOf(caller),
      );
    },
    async stopService({ params, caller }) {
      await findService(params.name);
      return store.services.setStopped(params.name, true, actorOf(caller));
    },
    async startService({ params, caller }) {
      await findService(params.name);
      return store.services.setStopped(params.name, false, actorOf(caller));
    },
    async rollbackService({ params, body, caller }) {
      const service = await findService(params.name);
      const toRevision = body.to ?? (await previousRevision(service));
      const { spec, artifact } = await findRevision(service.name, toRevision);
      return store.services.deploy(service.name, {
        spec,
        artifact,
        actor: actorOf(caller),
        kind: 'rollback',
        toRevision,
        update: spec.update,
      });
    },
    async listRevisions({ params }) {
      await findService(params.name);
      return store.services.listRevisions(params.name);
    },
    listDeployments: ({ query }) =>
      store.deployments.list({
        ...(query.service === undefined ? {} : { service: query.service }),
        limit: query.limit,
      }),
    async getDeployment({ params }) {
      const deployment = await store.deployments.get(params.id);
      if (deployment === null) throw new DroverError('DEPLOYMENT_NOT_FOUND', `No deployment has the id "${params.id}"`);
      return deployment;
    },
    async listInstances({ query }) {
      const node = query.node === undefined ? undefined : await store.nodes.get(query.node);
      if (node === null) throw new DroverError('NODE_NOT_FOUND', `No node has the id or name "${query.node}"`);
      return store.instances.list({
        ...(query.service === undefined ? {} : { service: query.service }),
        ...(node === undefined ? {} : { nodeId: node.id }),
      });
    },
    async getInstance({ params }) {
      const instance = await store.instances.get(params.id);
      if (instance === null) throw new DroverError('INSTANCE_NOT_FOUND', `No instance has the id "${params.id}"`);
      return instance;
    },
  };

  /** While a deployment is in progress that is the stable target; afterwards the newest success before the target. */
  async function previousRevision(service: Service): Promise<number> {
    if (service.stable !== null && service.stable.revision !== service.target.revision) return service.stable.revision;
    const earlier = (await store.deployments.list({ service: service.name, limit: 1_000 })).find(
      ({ state, to }) => state === 'succeeded' && to.revision !== service.target.revision,
    );
    if (earlier === undefined) {
      throw new DroverError(
        'REVISION_NOT_FOUND',
        `Service ${service.name} has no earlier revision that was deployed with success; name one with --to`,
      );
    }
    return earlier.to.revision;
  }
}
