import { decide } from '../../../controller/orchestrator/decide.ts';
import { type Observations, type ObserveOptions, observe } from '../../../controller/orchestrator/observe.ts';
import type { Deployment, Instance, Node, RouterStatus, Service } from '../../../shared/contracts/entities.ts';
import type { LeaderAction } from '../../../shared/contracts/leader-action.ts';
import type { Snapshot } from '../../../shared/contracts/snapshot.ts';
import { type ServiceSpec, type ServiceSpecInput, serviceSpecSchema } from '../../../shared/contracts/spec.ts';

/** Long past every grace and deadline: a table test that cares about a time gives its own. */
export const LATER_MS = 1_000_000;

export function makeNode(id: string, change: Partial<Node> = {}): Node {
  return {
    id,
    name: id,
    address: `127.0.1.${Number(id.replace(/\D/g, '')) + 1}`,
    cores: 4,
    memoryBytes: 1_073_741_824,
    ports: { from: 20_000, to: 20_099 },
    labels: {},
    router: false,
    version: '1',
    eligibility: 'eligible',
    state: 'ready',
    joinedAt: 0,
    heartbeat: 1,
    heartbeatAt: 0,
    ...change,
  };
}

export function makeSpec(change: Partial<ServiceSpecInput> = {}): ServiceSpec {
  return serviceSpecSchema.parse({ name: 'web', script: 'server.js', ...change });
}

export function makeService(change: Partial<Service> = {}): Service {
  return {
    name: 'web',
    target: { revision: 1, generation: 0 },
    stable: { revision: 1, generation: 0 },
    scale: { instances: 1 },
    stopped: false,
    deleted: false,
    deploymentId: null,
    lastRevision: 1,
    createdAt: 0,
    updatedAt: 0,
    ...change,
  };
}

export function makeDeployment(change: Partial<Deployment> = {}): Deployment {
  return {
    id: 'd1',
    service: 'web',
    kind: 'deploy',
    from: { revision: 1, generation: 0 },
    to: { revision: 2, generation: 0 },
    state: 'rolling',
    update: makeSpec().update,
    failures: [],
    reason: '',
    progress: { total: 0, updated: 0, healthy: 0 },
    createdBy: 'test',
    createdAt: 0,
    endedAt: null,
    ...change,
  };
}

type InstanceChange = Partial<Omit<Instance, 'status'>> & { status?: Partial<Instance['status']> };

/** Running and healthy for a minute unless told otherwise. */
export function makeInstance(id: string, { status, ...change }: InstanceChange = {}): Instance {
  return {
    id,
    service: 'web',
    slot: 0,
    revision: 1,
    generation: 0,
    nodeId: 'n0',
    port: 20_000,
    deploymentId: null,
    desired: 'run',
    drainEpoch: null,
    drainReason: '',
    status: {
      state: 'running',
      health: 'healthy',
      healthyForMs: 60_000,
      pid: 1,
      port: null,
      restarts: 0,
      reason: '',
      drained: false,
      lastExit: null,
      startedAt: 0,
      ...status,
    },
    createdAt: 1,
    updatedAt: 1,
    ...change,
  };
}

export function makeRouter(nodeId: string, change: Partial<RouterStatus> = {}): RouterStatus {
  return { nodeId, epoch: 0, generation: 'g', busy: [], errors: [], listen: '', reportedAt: 0, ...change };
}

export interface ClusterParts {
  readonly nodes?: readonly Node[];
  readonly services?: readonly Service[];
  /** By revision number, from 1 on. */
  readonly specs?: readonly ServiceSpec[];
  readonly deployments?: readonly Deployment[];
  readonly instances?: readonly Instance[];
  readonly routers?: readonly RouterStatus[];
  readonly routes?: Snapshot['routes'];
}

export function makeSnapshot(parts: ClusterParts): Snapshot {
  const numbers = new Map<string, number>();
  return {
    generation: 'g',
    version: 1,
    term: 1,
    nodes: parts.nodes ?? [makeNode('n0'), makeNode('n1'), makeNode('n2')],
    services: parts.services ?? [makeService()],
    revisions: (parts.specs ?? [makeSpec()]).map((spec) => {
      const revision = (numbers.get(spec.name) ?? 0) + 1;
      numbers.set(spec.name, revision);
      return { service: spec.name, revision, spec, artifact: null, createdAt: 0, createdBy: 'test' };
    }),
    deployments: parts.deployments ?? [],
    instances: parts.instances ?? [],
    routers: parts.routers ?? [],
    routes: parts.routes ?? { epoch: 0, generation: 'g', services: [] },
  };
}

export interface Moment {
  readonly atMs: number;
  readonly snapshot: Snapshot;
  readonly options?: ObserveOptions;
}

/** What a leader decides at the last of these moments, having seen them all. Heartbeats beat at each unless fixed. */
export function decideAfter(...moments: readonly Moment[]): LeaderAction[] {
  let observations: Observations | null = null;
  for (const { atMs, snapshot, options } of moments) observations = observe(observations, snapshot, atMs, options);
  const last = moments.at(-1);
  if (last === undefined || observations === null) return [];
  let created = 0;
  return decide({
    snapshot: last.snapshot,
    observations,
    nowMs: last.atMs,
    newId: () => `new-${created++}`,
  });
}

/** The decision of a leader that sees this for the first time. */
export function decideOn(parts: ClusterParts): LeaderAction[] {
  return decideAfter({ atMs: LATER_MS, snapshot: makeSnapshot(parts) });
}

/** Only the steps of one type. */
export function only<T extends LeaderAction['type']>(
  actions: readonly LeaderAction[],
  type: T,
): Extract<LeaderAction, { type: T }>[] {
  return actions.filter((action): action is Extract<LeaderAction, { type: T }> => action.type === type);
}
