import type { Assignment, Plan, PlanCoordination } from '../../shared/contracts/agent-session.ts';
import type { JobRun } from '../../shared/contracts/job-run.ts';
import type { Snapshot } from '../../shared/contracts/snapshot.ts';
import { isTerminal } from '../../shared/state/instance-states.ts';

/**
 * All that one node should do, from one snapshot. Pure. An instance that is not in the plan is to be stopped by the
 * agent: that is how lost and removed ones end on a host that comes back.
 */
export function buildPlan(
  nodeId: string,
  snapshot: Snapshot,
  controllers: readonly string[],
  coordination: PlanCoordination | null,
  runs: readonly JobRun[] = [],
): Plan {
  const node = snapshot.nodes.find(({ id }) => id === nodeId);
  const deploying = new Map(snapshot.deployments.map((deployment) => [deployment.id, deployment]));
  const assignments: Assignment[] = snapshot.instances
    .filter((instance) => instance.nodeId === nodeId && !isTerminal(instance.status.state))
    .map((instance) => ({
      instanceId: instance.id,
      service: instance.service,
      slot: instance.slot,
      revision: instance.revision,
      port: instance.port,
      desired: instance.desired,
      failFast: instance.deploymentId !== null && deploying.get(instance.deploymentId)?.state === 'rolling',
      createdAt: instance.createdAt,
    }))
    .sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1));
  const wanted = new Set(assignments.map(({ service, revision }) => `${service}@${revision}`));
  return {
    nodeId,
    generation: snapshot.generation,
    term: snapshot.term,
    version: snapshot.version,
    assignments,
    revisions: snapshot.revisions
      .filter(({ service, revision }) => wanted.has(`${service}@${revision}`))
      .map(({ service, revision, artifact, spec }) => ({ service, revision, artifact, spec })),
    runs: node === undefined ? [] : runs.filter((run) => run.nodeId === nodeId),
    routes: node?.router ? snapshot.routes : null,
    controllers: [...controllers],
    coordination,
    removed: node === undefined,
  };
}
