import type { StartInstance, WorkerSnapshot } from './protocol.ts';

/** What is known of a worker before its first process. */
export function newSnapshot({ id, slot }: StartInstance): WorkerSnapshot {
  return {
    instanceId: id,
    slot,
    phase: 'starting',
    pid: null,
    startTime: null,
    restarts: 0,
    unstableRestarts: 0,
    startedAt: null,
    readyAt: null,
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
