import type { Report } from '../../shared/contracts/agent-session.ts';
import type {
  Deployment,
  Instance,
  Node,
  Revision,
  RouterStatus,
  RoutingTable,
  Service,
  Target,
} from '../../shared/contracts/entities.ts';
import type { LeaderAction } from '../../shared/contracts/leader-action.ts';
import type { Snapshot } from '../../shared/contracts/snapshot.ts';
import type { ServiceSpec } from '../../shared/contracts/spec.ts';
import { isEnded, mayMove } from '../../shared/state/deployment-states.ts';
import { initialStatus, isTerminal, mayAdvance, mayTighten } from '../../shared/state/instance-states.ts';

export class StaleTermError extends Error {}

/**
 * The store of a simulated cluster: the rules of the real one (term, monotone states, port leases, idempotent steps)
 * over plain maps. Documents are replaced, never edited, so that a snapshot stays what it was.
 */
export class SimulatedStore {
  term = 0;
  checksTerm = true;
  version = 0;
  readonly nodes = new Map<string, Node>();
  readonly services = new Map<string, Service>();
  readonly revisions = new Map<string, Revision>();
  readonly deployments = new Map<string, Deployment>();
  readonly instances = new Map<string, Instance>();
  readonly routers = new Map<string, RouterStatus>();
  routes: RoutingTable = { epoch: 0, generation: 'g1', services: [] };
  readonly #ports = new Map<string, Map<number, string>>();
  readonly #sequences = new Map<string, { session: string; sequence: number }>();
  #created = 0;
  #deploymentCount = 0;

  snapshot(): Snapshot {
    const active = [...this.deployments.values()].filter(({ state }) => !isEnded(state));
    return {
      generation: 'g1',
      version: this.version,
      term: this.term,
      nodes: [...this.nodes.values()],
      services: [...this.services.values()],
      revisions: [...this.revisions.values()],
      deployments: active,
      instances: [...this.instances.values()],
      routers: [...this.routers.values()],
      routes: this.routes,
    };
  }

  /** @throws StaleTermError when another leader has a newer term. */
  apply(term: number, action: LeaderAction): boolean {
    if (this.checksTerm && term !== this.term) throw new StaleTermError(`term ${term} is not ${this.term}`);
    const applied = this.#apply(action);
    if (applied) this.version += 1;
    return applied;
  }

  // ---- what users do ------------------------------------------------------------------------------------------
  deploy(spec: ServiceSpec, kind: Deployment['kind'] = 'deploy', toRevision?: number): void {
    const before = this.services.get(spec.name);
    if (before?.deleted) return;
    const revision = toRevision ?? (before?.lastRevision ?? 0) + 1;
    if (toRevision === undefined) {
      this.revisions.set(`${spec.name}@${revision}`, {
        service: spec.name,
        revision,
        spec,
        artifact: null,
        createdAt: revision,
        createdBy: 'test',
      });
    }
    const target = { revision, generation: before?.target.generation ?? 0 };
    const { stableScale } = before ?? {};
    this.services.set(spec.name, {
      name: spec.name,
      target,
      stable: before?.stable ?? null,
      scale: toRevision === undefined ? spec.scale : (stableScale ?? spec.scale),
      ...(stableScale === undefined ? {} : { stableScale }),
      stopped: false,
      deleted: false,
      deploymentId: before?.deploymentId ?? null,
      lastRevision: Math.max(revision, before?.lastRevision ?? 0),
      createdAt: 0,
      updatedAt: 0,
    });
    this.#beginDeployment(spec.name, kind, target);
  }

  renew(name: string, kind: 'reload' | 'restart'): void {
    const service = this.services.get(name);
    if (service === undefined || service.deleted || service.stopped) return;
    const target = { ...service.target, generation: service.target.generation + 1 };
    this.services.set(name, { ...service, target });
    this.#beginDeployment(name, kind, target);
  }

  scale(name: string, scale: Service['scale']): void {
    const service = this.services.get(name);
    if (service === undefined || service.deleted) return;
    this.services.set(name, { ...service, scale, stableScale: scale });
    this.#beginDeployment(name, 'scale', service.target);
  }

  setStopped(name: string, stopped: boolean): void {
    const service = this.services.get(name);
    if (service === undefined || service.deleted) return;
    this.services.set(name, { ...service, stopped });
    this.version += 1;
  }

  markDeleted(name: string): void {
    const service = this.services.get(name);
    if (service === undefined) return;
    this.services.set(name, { ...service, deleted: true });
    this.version += 1;
  }

  setEligibility(nodeId: string, eligibility: Node['eligibility']): void {
    const node = this.nodes.get(nodeId);
    if (node !== undefined) this.nodes.set(nodeId, { ...node, eligibility });
    this.version += 1;
  }

  // ---- what nodes do ------------------------------------------------------------------------------------------
  heartbeat(nodeId: string): void {
    const node = this.nodes.get(nodeId);
    if (node !== undefined) this.nodes.set(nodeId, { ...node, heartbeat: node.heartbeat + 1 });
  }

  report(nodeId: string, session: string, report: Report): void {
    const last = this.#sequences.get(nodeId);
    if (last?.session === session && last.sequence >= report.sequence) return;
    this.#sequences.set(nodeId, { session, sequence: report.sequence });
    for (const { instanceId, status } of report.instances) {
      const instance = this.instances.get(instanceId);
      if (instance === undefined || instance.nodeId !== nodeId) continue;
      if (!mayAdvance(instance.status.state, status.state) || isTerminal(instance.status.state)) continue;
      this.instances.set(instanceId, { ...instance, status });
      if (isTerminal(status.state)) this.#freePort(instance);
    }
    if (report.router !== null) this.routers.set(nodeId, { nodeId, reportedAt: 0, ...report.router });
    for (const instance of this.instances.values()) {
      const listed = report.instances.some(({ instanceId }) => instanceId === instance.id);
      if (instance.nodeId === nodeId && instance.status.state === 'lost' && !listed) this.#freePort(instance);
    }
    this.version += 1;
  }

  // ---- the rules ----------------------------------------------------------------------------------------------
  #apply(action: LeaderAction): boolean {
    switch (action.type) {
      case 'createInstance':
        return this.#createInstance(action);
      case 'setDesired': {
        const instance = this.instances.get(action.instanceId);
        if (instance === undefined || !mayTighten(instance.desired, action.desired)) return false;
        this.instances.set(instance.id, { ...instance, desired: action.desired, drainReason: action.reason });
        return true;
      }
      case 'publishRoutes': {
        const epoch = this.routes.epoch + 1;
        this.routes = { ...this.routes, epoch, services: [...action.services] };
        for (const id of action.drained) {
          const instance = this.instances.get(id);
          if (instance !== undefined) this.instances.set(id, { ...instance, drainEpoch: instance.drainEpoch ?? epoch });
        }
        return true;
      }
      case 'updateDeployment':
        return this.#updateDeployment(action);
      case 'setNodeState': {
        const node = this.nodes.get(action.nodeId);
        if (node === undefined) return false;
        this.nodes.set(node.id, { ...node, state: action.state });
        return true;
      }
      case 'loseInstance': {
        const instance = this.instances.get(action.instanceId);
        if (instance === undefined || isTerminal(instance.status.state)) return false;
        this.instances.set(instance.id, { ...instance, status: { ...instance.status, state: 'lost' } });
        return true;
      }
      case 'removeInstance': {
        const instance = this.instances.get(action.instanceId);
        if (instance === undefined) return true;
        if (!isTerminal(instance.status.state)) return false;
        this.instances.delete(instance.id);
        this.#freePort(instance);
        return true;
      }
      case 'removeService': {
        const left = [...this.instances.values()].some(({ service }) => service === action.service);
        if (left || this.services.get(action.service)?.deleted !== true) return false;
        this.services.delete(action.service);
        for (const key of this.revisions.keys()) if (key.startsWith(`${action.service}@`)) this.revisions.delete(key);
        return true;
      }
      case 'reportPlacement':
      case 'reportAckTimeout':
        return true;
    }
  }

  #createInstance(action: Extract<LeaderAction, { type: 'createInstance' }>): boolean {
    const node = this.nodes.get(action.nodeId);
    const taken = [...this.instances.values()].some(
      (instance) =>
        instance.service === action.service &&
        instance.slot === action.slot &&
        instance.revision === action.target.revision &&
        instance.generation === action.target.generation &&
        instance.desired === 'run' &&
        !isTerminal(instance.status.state),
    );
    if (node === undefined || taken || this.instances.has(action.instanceId)) return false;
    const port = action.port === 'none' ? null : this.#leasePort(node, action);
    if (port === undefined) return false;
    this.#created += 1;
    this.instances.set(action.instanceId, {
      id: action.instanceId,
      service: action.service,
      slot: action.slot,
      ...action.target,
      nodeId: action.nodeId,
      port,
      deploymentId: action.deploymentId,
      desired: 'run',
      drainEpoch: null,
      drainReason: '',
      status: initialStatus,
      createdAt: this.#created,
      updatedAt: this.#created,
    });
    return true;
  }

  #leasePort(node: Node, action: Extract<LeaderAction, { type: 'createInstance' }>): number | undefined {
    const leases = this.#ports.get(node.id) ?? new Map<number, string>();
    this.#ports.set(node.id, leases);
    const owner = action.port === 'shared' ? `${action.service}@${action.target.revision}` : action.instanceId;
    for (const [port, holder] of leases) if (action.port === 'shared' && holder === owner) return port;
    for (let port = node.ports.from; port <= node.ports.to; port += 1) {
      if (leases.has(port)) continue;
      leases.set(port, owner);
      return port;
    }
    return undefined;
  }

  #freePort(instance: Instance): void {
    const leases = this.#ports.get(instance.nodeId);
    if (instance.port !== null && leases?.get(instance.port) === instance.id) leases.delete(instance.port);
  }

  #updateDeployment(action: Extract<LeaderAction, { type: 'updateDeployment' }>): boolean {
    const deployment = this.deployments.get(action.deploymentId);
    if (deployment === undefined || isEnded(deployment.state) || !mayMove(deployment.state, action.state)) return false;
    const known = new Set(deployment.failures.map(({ instanceId }) => instanceId));
    this.deployments.set(deployment.id, {
      ...deployment,
      state: action.state,
      reason: action.reason,
      progress: action.progress,
      failures: [...deployment.failures, ...action.failures.filter(({ instanceId }) => !known.has(instanceId))],
    });
    const service = this.services.get(deployment.service);
    if (service !== undefined) {
      this.services.set(service.name, {
        ...service,
        ...action.service,
        ...this.#scaleAfter(action.state, service),
        deploymentId: isEnded(action.state) ? null : service.deploymentId,
      });
    }
    return true;
  }

  #scaleAfter(state: Deployment['state'], { scale, stableScale }: Service): Partial<Service> {
    if (state === 'rolling-back') return { scale: stableScale ?? scale };
    return state === 'succeeded' || state === 'rolled-back' ? { stableScale: scale } : {};
  }

  #beginDeployment(name: string, kind: Deployment['kind'], to: Target): void {
    const service = this.services.get(name);
    const spec = this.revisions.get(`${name}@${to.revision}`)?.spec;
    if (service === undefined || spec === undefined) return;
    const current = service.deploymentId === null ? undefined : this.deployments.get(service.deploymentId);
    if (current !== undefined) this.deployments.set(current.id, { ...current, state: 'superseded' });
    this.#deploymentCount += 1;
    const id = `d${this.#deploymentCount}`;
    this.deployments.set(id, {
      id,
      service: name,
      kind,
      from: service.stable,
      to,
      state: 'rolling',
      update: spec.update,
      failures: [],
      reason: '',
      progress: { total: 0, updated: 0, healthy: 0 },
      createdBy: 'test',
      createdAt: 0,
      endedAt: null,
    });
    this.services.set(name, { ...service, deploymentId: id });
    this.version += 1;
  }
}
