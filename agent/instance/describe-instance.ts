import type { ExitRecord, InstanceState, InstanceStatus } from '../../shared/contracts/entities.ts';
import { mayAdvance } from '../../shared/state/instance-states.ts';
import type { WorkerExit } from '../shim/protocol.ts';
import { type InstanceView, mustEnd } from './instance-view.ts';

/** What the cluster is told of an instance. Its state never goes back behind what was reported (`reached`). */
export function describeInstance(view: InstanceView, nowMs: number): InstanceStatus {
  const { assignment, worker, end, probe, lostWorkers } = view;
  const candidate = currentState(view);
  const state = mayAdvance(view.reached, candidate) ? candidate : view.reached;
  const health = end === null ? currentHealth(view, state) : 'unknown';
  const lastExit = worker?.lastExit ?? end?.lastExit;
  const healthySinceMs = probe?.verdict === 'healthy' ? probe.sinceMs : view.readySinceMs;
  return {
    state,
    health,
    healthyForMs: health === 'healthy' && healthySinceMs !== null ? Math.max(0, Math.floor(nowMs - healthySinceMs)) : 0,
    pid: end === null ? (worker?.pid ?? null) : null,
    port: worker?.listening?.port ?? assignment.port,
    restarts: (worker?.restarts ?? 0) + lostWorkers,
    reason: reasonOf(view, health),
    ...(probe?.answer == null ? {} : { probe: probe.answer }),
    drained: isDrained(view),
    lastExit: lastExit == null ? null : toExitRecord(lastExit),
    ...(end?.finished === true ? { finished: true } : {}),
    startedAt: worker?.startedAt ?? null,
  };
}

function currentState(view: InstanceView): InstanceState {
  const { end, worker, preparation } = view;
  if (end !== null) return end.state;
  if (worker === null) return preparation.state === 'none' ? 'assigned' : 'preparing';
  switch (worker.phase) {
    case 'starting':
    case 'waiting-restart':
      return 'starting';
    case 'ready':
    case 'draining':
      return 'running';
    case 'stopping':
      // A restart stops the worker too, and is no end of the instance.
      return mustEnd(view) ? 'stopping' : 'starting';
    case 'exited':
    case 'errored':
      return view.reached;
  }
}

function currentHealth({ worker, spec, probe }: InstanceView, state: InstanceState): InstanceStatus['health'] {
  const serves = worker?.phase === 'ready' || worker?.phase === 'draining';
  if (!serves) return state === 'running' ? 'unhealthy' : 'unknown';
  if (spec?.health.probe === undefined) return 'healthy';
  return probe?.verdict ?? 'unknown';
}

function reasonOf(view: InstanceView, health: InstanceStatus['health']): string {
  const { end, worker, preparation, confirmed, bundle, probe } = view;
  if (end !== null) return end.reason;
  if (worker === null) {
    if (bundle === 'orphaned') return 'its shim has ended; what it left is cleaned up first';
    if (!confirmed) return 'waits until a controller confirms the plan';
    return preparation.state === 'running' ? preparation.note : '';
  }
  if (worker.phase === 'waiting-restart') return `${worker.lastExit?.message ?? 'it ended'}; it is restarted`;
  if (worker.phase === 'starting' && worker.lastExit !== null) return `restarted: ${worker.lastExit.message}`;
  return health !== 'healthy' && probe?.answer != null ? probe.answer : '';
}

/**
 * In fork mode as the worker says. The last holder of a shared port keeps accepting until it is stopped, and the routers
 * know what is in flight to it.
 */
function isDrained({ assignment, worker, spec, siblingServes }: InstanceView): boolean {
  if (worker === null) return assignment.desired !== 'run';
  return worker.drained || (spec?.execMode === 'cluster' && assignment.desired !== 'run' && !siblingServes);
}

function toExitRecord({ code, signal, at, uptimeMs, message, lastLines }: WorkerExit): ExitRecord {
  return { code, signal, at, uptimeMs: Math.floor(uptimeMs), reason: message, lastLines: [...lastLines] };
}
