import type { Instance, InstanceStatus } from '../../contracts/entities.ts';
import type { NewEvent } from '../../contracts/events.ts';
import { isTerminal, mayAdvance } from '../../state/instance-states.ts';

export interface ReportedChange {
  readonly events: readonly NewEvent[];
  /** Whether anybody decides on what has changed; figures such as memory are for people. */
  readonly matters: boolean;
}

/**
 * What one reported status changes in an instance, or null when it may not: states only advance, a terminal state is
 * the last word, and `lost` is the leader's to write.
 */
export function applyReport(instance: Instance, next: InstanceStatus): ReportedChange | null {
  const before = instance.status;
  if (isTerminal(before.state) || next.state === 'lost' || !mayAdvance(before.state, next.state)) return null;

  const events: NewEvent[] = [];
  const record = (type: NewEvent['type'], reason: string, data: Record<string, unknown>) =>
    events.push({
      type,
      actor: `node:${instance.nodeId}`,
      reason,
      service: instance.service,
      instanceId: instance.id,
      nodeId: instance.nodeId,
      ...(instance.deploymentId === null ? {} : { deploymentId: instance.deploymentId }),
      data: { slot: instance.slot, revision: instance.revision, ...data },
    });

  if (next.restarts > before.restarts) {
    record('instance.restarted', next.lastExit?.reason ?? next.reason, {
      restarts: next.restarts,
      code: next.lastExit?.code ?? null,
      signal: next.lastExit?.signal ?? null,
    });
  }
  if (next.state !== before.state) {
    record('instance.stateChanged', next.reason, { from: before.state, to: next.state, pid: next.pid });
  }
  if (next.health !== before.health) {
    record('instance.healthChanged', next.health === 'unhealthy' ? (next.probe ?? next.reason) : '', {
      from: before.health,
      to: next.health,
    });
  }
  const matters =
    events.length > 0 || next.drained !== before.drained || next.pid !== before.pid || next.port !== before.port;
  return { events, matters };
}
