import type { ServiceSpec } from '../../shared/contracts/spec.ts';
import { type InstanceEnd, type InstanceView, isCutOff, mustEnd } from './instance-view.ts';

export type InstanceStep =
  /** Nothing to do until something changes. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'prepare' }
  | { readonly kind: 'openBundle' }
  | { readonly kind: 'start' }
  | { readonly kind: 'drain' }
  | { readonly kind: 'stop' }
  | { readonly kind: 'restart' }
  /** Final: reported until the plan no longer has the instance. */
  | ({ readonly kind: 'end' } & InstanceEnd);

/** After the routers have let go of it, only clients that know its address reach a routed worker: they get a moment. */
const routedDrainMs = 1_000;

const wait: InstanceStep = { kind: 'wait' };

/**
 * The one step that brings an instance nearer to what is wanted, or `wait`. Applied, and asked again.
 *
 * A worker is started only when a controller has confirmed the plan, and only when it is known that no earlier worker of
 * the instance is alive: a bundle that does not answer, or has orphans, holds everything back.
 */
export function nextStep(view: InstanceView, nowMs: number): InstanceStep {
  if (view.end !== null) return wait;
  if (view.worker?.phase === 'exited' || view.worker?.phase === 'errored') return endOf(view);
  if (mustEnd(view)) return stopStep(view, nowMs);
  return view.worker === null ? startStep(view) : runStep(view, nowMs);
}

function endOf(view: InstanceView): InstanceStep {
  const { worker } = view;
  if (mustEnd(view)) return stopped(view);
  if (worker?.phase === 'errored') {
    return failed(worker.failure ?? worker.lastExit?.message ?? 'it ended');
  }
  const failure = worker?.failure ?? null;
  const reason = failure ?? worker?.lastExit?.message ?? 'it was stopped on its host';
  return { kind: 'end', state: 'stopped', reason, finished: failure !== null };
}

function stopStep(view: InstanceView, nowMs: number): InstanceStep {
  const { worker, bundle, spec, drainingSinceMs } = view;
  if (worker === null) {
    const mayHaveWorker = bundle === 'connecting' || bundle === 'orphaned';
    return mayHaveWorker ? wait : stopped(view);
  }
  switch (worker.phase) {
    case 'stopping':
      return wait;
    case 'ready':
      return drainingSinceMs === null && spec !== null ? { kind: 'drain' } : { kind: 'stop' };
    case 'draining': {
      const drained = worker.drained || spec === null || drainingSinceMs === null;
      return drained || nowMs - drainingSinceMs >= drainLimitMs(spec) ? { kind: 'stop' } : wait;
    }
    default:
      return { kind: 'stop' };
  }
}

function startStep({ assignment, spec, confirmed, bundle, preparation }: InstanceView): InstanceStep {
  if (!confirmed || assignment.desired !== 'run') return wait;
  if (bundle === 'connecting' || bundle === 'orphaned') return wait;
  if (spec === null) {
    return failed(`the plan does not hold revision ${assignment.revision}`);
  }
  switch (preparation.state) {
    case 'none':
      return { kind: 'prepare' };
    case 'running':
      return wait;
    case 'failed':
      return failed(preparation.reason);
    case 'ready':
      return { kind: bundle === 'absent' ? 'openBundle' : 'start' };
  }
}

function runStep({ assignment, spec, worker, siblingServes, probe }: InstanceView, nowMs: number): InstanceStep {
  if (worker?.phase !== 'ready' || spec === null) return wait;
  if (assignment.desired === 'drain') {
    // Its own port must stay open until the routers have acknowledged, and the last holder of a shared one with it: who
    // connects in between would be refused. Among several holders the others take over what this one no longer accepts.
    return spec.execMode === 'cluster' && siblingServes ? { kind: 'drain' } : wait;
  }
  const { restartAfterMs } = spec.health;
  const isStuck = probe?.verdict === 'unhealthy' && restartAfterMs > 0 && nowMs - probe.sinceMs >= restartAfterMs;
  return isStuck ? { kind: 'restart' } : wait;
}

function stopped(view: InstanceView): InstanceStep {
  const reason = isCutOff(view) ? 'this node was cut off from all controllers, and the service must not run then' : '';
  return { kind: 'end', state: 'stopped', reason, finished: false };
}

function failed(reason: string): InstanceStep {
  return { kind: 'end', state: 'failed', reason, finished: false };
}

/** Clients of a service without routes come directly, so nobody but the worker knows when they are done. */
export function drainLimitMs(spec: ServiceSpec): number {
  return spec.routes.length === 0 ? spec.drainTimeoutMs : Math.min(spec.drainTimeoutMs, routedDrainMs);
}
