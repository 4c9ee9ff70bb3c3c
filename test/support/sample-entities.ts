import type { Deployment, Instance, Node } from '../../shared/contracts/entities.ts';
import { deploymentSchema, instanceSchema, nodeSchema, revisionSchema } from '../../shared/contracts/entities.ts';
import {
  type PlanServiceResult,
  planServiceResultSchema,
  type ServiceView,
  serviceViewSchema,
} from '../../shared/contracts/operations.ts';

/** An instant long ago, so that ages are stable enough to look at. */
const at = 1_700_000_000_000;

/** Entities as the API shows them, complete by the contract; give what a test is about. */
export function sampleNode(change: Partial<Node> = {}): Node {
  return nodeSchema.parse({
    id: 'node-1',
    name: 'web-1',
    address: '10.0.0.1',
    cores: 4,
    memoryBytes: 8_589_934_592,
    ports: { from: 20_000, to: 20_999 },
    labels: {},
    router: true,
    version: '0.1.0',
    eligibility: 'eligible',
    state: 'ready',
    joinedAt: at,
    heartbeat: 7,
    heartbeatAt: at,
    usage: { cpu: 0.5, memoryBytes: 1_073_741_824, load1: 0.4 },
    ...change,
  });
}

export function sampleInstance(
  change: Partial<Omit<Instance, 'status'>> & { status?: Partial<Instance['status']> } = {},
): Instance {
  const { status, ...fields } = change;
  return instanceSchema.parse({
    id: `hello-${fields.slot ?? 0}-${fields.revision ?? 1}`,
    service: 'hello',
    slot: 0,
    revision: 1,
    generation: 0,
    nodeId: 'node-1',
    port: 20_000,
    deploymentId: null,
    desired: 'run',
    drainEpoch: null,
    drainReason: '',
    status: {
      state: 'running',
      health: 'healthy',
      healthyForMs: 60_000,
      pid: 4711,
      port: 20_000,
      restarts: 0,
      reason: '',
      drained: false,
      lastExit: null,
      startedAt: at,
      cpu: 0.05,
      memoryBytes: 52_428_800,
      ...status,
    },
    createdAt: at,
    updatedAt: at,
    ...fields,
  });
}

export function sampleDeployment(change: Partial<Deployment> = {}): Deployment {
  return deploymentSchema.parse({
    id: 'deployment-1',
    service: 'hello',
    kind: 'deploy',
    from: { revision: 1, generation: 0 },
    to: { revision: 2, generation: 0 },
    state: 'rolling',
    update: {},
    failures: [],
    reason: '',
    progress: { total: 2, updated: 0, healthy: 0 },
    createdBy: 'user:admin',
    createdAt: at,
    endedAt: null,
    ...change,
  });
}

export function sampleService(change: Partial<ServiceView> = {}): ServiceView {
  const name = change.name ?? 'hello';
  const revision = change.target?.revision ?? 1;
  return serviceViewSchema.parse({
    name,
    target: { revision, generation: 0 },
    stable: { revision, generation: 0 },
    scale: { instances: 2 },
    stopped: false,
    deleted: false,
    deploymentId: null,
    lastRevision: revision,
    createdAt: at,
    updatedAt: at,
    revision: sampleRevision(name, revision),
    deployment: null,
    instances: [
      sampleInstance({ service: name, slot: 0, revision }),
      sampleInstance({ service: name, slot: 1, revision }),
    ],
    ...change,
  });
}

export function sampleRevision(service = 'hello', revision = 1) {
  return revisionSchema.parse({
    service,
    revision,
    spec: { name: service, script: 'server.js', routes: [{ port: 30_000 }] },
    artifact: 'a'.repeat(64),
    createdAt: at,
    createdBy: 'user:admin',
  });
}

export function samplePlan(change: Partial<PlanServiceResult> = {}): PlanServiceResult {
  return planServiceResultSchema.parse({
    service: 'hello',
    exists: true,
    fromRevision: 1,
    changes: [{ path: 'artifact', before: 'aaaa', after: 'bbbb', consequence: 'replaces every instance' }],
    replaces: 2,
    adds: 0,
    removes: 0,
    placements: [
      { slot: 0, node: 'web-1', reason: '' },
      { slot: 1, node: 'web-1', reason: '' },
    ],
    warnings: [],
    ...change,
  });
}
