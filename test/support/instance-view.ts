import type { InstanceView } from '../../agent/instance/instance-view.ts';
import type { WorkerPhase, WorkerSnapshot } from '../../agent/shim/protocol.ts';
import type { Desired } from '../../shared/contracts/entities.ts';
import { type ServiceSpecInput, serviceSpecSchema } from '../../shared/contracts/spec.ts';

export type ViewChange = Partial<Omit<InstanceView, 'spec' | 'assignment'>> & {
  readonly desired?: Desired;
  readonly spec?: Omit<Partial<ServiceSpecInput>, 'name'> | null;
};

/** A confirmed instance that was just assigned, with what a test changes about it. */
export function instanceView({ desired = 'run', spec = {}, ...change }: ViewChange): InstanceView {
  return {
    assignment: {
      ...{ instanceId: 'web-0-a', service: 'web', slot: 0, revision: 1, port: 20_000, createdAt: 0 },
      desired,
      failFast: false,
    },
    spec: spec === null ? null : serviceSpecSchema.parse({ name: 'web', script: 'server.js', ...spec }),
    confirmed: true,
    end: null,
    bundle: change.worker == null ? 'absent' : 'connected',
    worker: null,
    preparation: { state: change.worker == null ? 'none' : 'ready' },
    probe: null,
    siblingServes: false,
    drainingSinceMs: null,
    readySinceMs: null,
    cutOffForMs: 0,
    lostWorkers: 0,
    reached: 'assigned',
    ...change,
  };
}

export function workerIn(phase: WorkerPhase): WorkerSnapshot {
  const lives = phase !== 'exited' && phase !== 'errored' && phase !== 'waiting-restart';
  return {
    instanceId: 'web-0-a',
    slot: 0,
    phase,
    pid: lives ? 4_711 : null,
    startTime: lives ? 1 : null,
    restarts: 0,
    unstableRestarts: 0,
    startedAt: 1_000,
    readyAt: phase === 'ready' ? 1_100 : null,
    restartAt: null,
    lastExit: null,
    failure: null,
    listening: null,
    drained: false,
    inFlight: null,
    connections: null,
    lostLogBytes: 0,
  };
}
