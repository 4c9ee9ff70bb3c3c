import type { Instance } from '../../shared/contracts/entities.ts';
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
  | 'failed'
  | 'lost';

export function instanceCondition({ status, desired }: Pick<Instance, 'status' | 'desired'>): InstanceCondition {
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
