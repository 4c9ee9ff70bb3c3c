import type { Deployment, Instance } from '../../shared/contracts/entities.ts';
import { type InstanceCondition, instanceCondition, instanceLabel } from './instance-condition.ts';
import type { Observation } from './observe-service.ts';

/** One thing that was seen to have changed. */
export type Change =
  | {
      readonly type: 'instance';
      readonly instanceId: string;
      readonly instance: string;
      readonly revision: number;
      readonly node: string;
      readonly condition: InstanceCondition | 'gone';
      readonly reason: string;
    }
  | {
      readonly type: 'deployment';
      readonly deploymentId: string;
      readonly state: Deployment['state'];
      readonly progress: Deployment['progress'];
      readonly reason: string;
    }
  | { readonly type: 'waiting'; readonly reason: string }
  | { readonly type: 'reconnected'; readonly reason: string };

/** What `next` shows that `previous` did not. Old ended instances are no news when nothing was seen before. */
export function describeChanges(previous: Observation | null, next: Observation): Change[] {
  if (next.waiting !== undefined) {
    return previous?.waiting === next.waiting ? [] : [{ type: 'waiting', reason: next.waiting }];
  }
  const changes: Change[] = [];
  if (previous?.waiting !== undefined) changes.push({ type: 'reconnected', reason: 'a controller answers again' });
  const before = new Map(previous?.service?.instances.map((instance) => [instance.id, instance]));
  for (const instance of next.service?.instances ?? []) {
    const old = before.get(instance.id);
    before.delete(instance.id);
    const condition = instanceCondition(instance);
    if (old === undefined ? previous === null && isOld(instance, next) : isSame(old, instance)) continue;
    changes.push(instanceChange(instance, condition, next));
  }
  for (const gone of before.values()) {
    if (!['stopped', 'failed', 'lost'].includes(gone.status.state)) changes.push(instanceChange(gone, 'gone', next));
  }
  const { deployment } = next;
  if (deployment !== null && !isSameDeployment(previous?.deployment, deployment)) {
    const { id, state, progress, reason } = deployment;
    changes.push({ type: 'deployment', deploymentId: id, state, progress, reason });
  }
  return changes;
}

function isOld(instance: Instance, { deployment }: Observation): boolean {
  const condition = instanceCondition(instance);
  return (
    instance.deploymentId !== deployment?.id && ['healthy', 'stopped', 'exited', 'failed', 'lost'].includes(condition)
  );
}

function isSame(a: Instance, b: Instance): boolean {
  return instanceCondition(a) === instanceCondition(b) && a.status.reason === b.status.reason;
}

function isSameDeployment(a: Deployment | null | undefined, b: Deployment): boolean {
  return (
    a?.state === b.state &&
    a.reason === b.reason &&
    a.progress.updated === b.progress.updated &&
    a.progress.healthy === b.progress.healthy
  );
}

function instanceChange(instance: Instance, condition: InstanceCondition | 'gone', { nodeName }: Observation): Change {
  return {
    type: 'instance',
    instanceId: instance.id,
    instance: instanceLabel(instance),
    revision: instance.revision,
    node: nodeName(instance.nodeId),
    condition,
    reason: instance.status.reason,
  };
}
