import type { Instance } from '../../shared/contracts/entities.ts';
import type { ServiceView } from '../../shared/contracts/operations.ts';
import { fitsTarget } from '../../shared/state/fits-target.ts';
import { isTerminal } from '../../shared/state/instance-states.ts';

/** One word for how an instance is, out of its state, its health and what the leader wants of it. */
export type InstanceCondition =
  | 'assigned'
  | 'preparing'
  | 'starting'
  | 'running'
  | 'healthy'
  | 'unhealthy'
  | 'draining'
  | 'stopping'
  | 'stopped'
  | 'exited'
  | 'failed'
  | 'lost';

export function instanceCondition({ status, desired }: Pick<Instance, 'status' | 'desired'>): InstanceCondition {
  if (status.finished === true && desired === 'run') return 'exited';
  if (isTerminal(status.state) || status.state === 'stopping') return status.state;
  if (desired === 'stop') return 'stopping';
  if (desired === 'drain') return 'draining';
  return status.state === 'running' && status.health !== 'unknown' ? status.health : status.state;
}

export function isLive({ status }: Pick<Instance, 'status'>): boolean {
  return !isTerminal(status.state);
}

/** Its short name among people: `hello#2`. */
export function instanceLabel({ service, slot }: Pick<Instance, 'service' | 'slot'>): string {
  return `${service}#${slot}`;
}

/**
 * The slots that have nothing because what they are to run has ended by itself and is left so (autorestart,
 * stop_exit_codes): the last such instance of each.
 */
export function exitedInstances({
  instances,
  startedAgain,
  target,
}: Pick<ServiceView, 'instances' | 'startedAgain' | 'target'>): Instance[] {
  const last = new Map<number, Instance>();
  for (const instance of instances) {
    const other = last.get(instance.slot);
    const counts = isLive(instance) || fitsTarget(instance, target);
    const isLater =
      other === undefined ||
      (isLive(instance) === isLive(other) ? instance.createdAt > other.createdAt : isLive(instance));
    if (counts && isLater) last.set(instance.slot, instance);
  }
  return [...last.values()].filter(
    (instance) => instanceCondition(instance) === 'exited' && startedAgain?.includes(instance.id) !== true,
  );
}
