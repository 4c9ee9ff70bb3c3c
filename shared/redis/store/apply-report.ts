import type { Instance, InstanceStatus } from '../../contracts/entities.ts';
import type { NewEvent } from '../../contracts/events.ts';
import { isTerminal, mayAdvance } from '../../state/instance-states.ts';

export interface ReportedChange {
  /** What is true of the instance from now on. */
  readonly status: InstanceStatus;
  readonly events: readonly NewEvent[];
  /** Whether anybody decides on what has changed; figures such as memory are for people. */
  readonly matters: boolean;
}

/**
 * What one reported status changes in an instance, or null when it may not: a terminal state is the last word, and
 * `lost` is the leader's to write. States only advance: of a report behind the stored state the rest is taken.
 */
export function applyReport(instance: Instance, reported: InstanceStatus): ReportedChange | null {
  const before = instance.status;
  if (isTerminal(before.state) || reported.state === 'lost') return null;
  const next = mayAdvance(before.state, reported.state) ? reported : startedOver(before, reported);

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
  return { status: next, events, matters };
}

/** Agent and shim have ended together: the agent that follows starts the worker anew and knows nothing of the earlier one. */
function startedOver(before: InstanceStatus, reported: InstanceStatus): InstanceStatus {
  const health = before.state === 'running' && reported.health === 'unknown' ? 'unhealthy' : reported.health;
  return { ...reported, state: before.state, health, healthyForMs: health === 'healthy' ? reported.healthyForMs : 0 };
}
