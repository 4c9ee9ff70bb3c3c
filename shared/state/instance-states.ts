import type { Desired, InstanceState, InstanceStatus } from '../contracts/entities.ts';

/**
 * States of an instance only advance; the agent writes all but `lost`, which is the leader's.
 *
 *   assigned → preparing → starting → running → stopping → stopped
 *        └──────────┴──────────┴─────────┴─────────┴─────→ failed   (by itself)
 *        └──────────┴──────────┴─────────┴─────────┴─────→ lost     (its node is gone; written by the leader)
 */
export const stateRank = {
  assigned: 0,
  preparing: 1,
  starting: 2,
  running: 3,
  stopping: 4,
  stopped: 5,
  failed: 5,
  lost: 5,
} as const satisfies Record<InstanceState, number>;

export const desiredRank = { run: 0, drain: 1, stop: 2 } as const satisfies Record<Desired, number>;

export const terminalRank = 5;

export function isTerminal(state: InstanceState): boolean {
  return stateRank[state] >= terminalRank;
}

/** Whether a report may move an instance from `from` to `to`. Staying is allowed, except that terminal states never change. */
export function mayAdvance(from: InstanceState, to: InstanceState): boolean {
  return from === to || (!isTerminal(from) && stateRank[to] > stateRank[from]);
}

export function mayTighten(from: Desired, to: Desired): boolean {
  return desiredRank[to] >= desiredRank[from];
}

/** The status of an instance that its agent has not heard of yet. */
export const initialStatus: InstanceStatus = {
  state: 'assigned',
  health: 'unknown',
  healthyForMs: 0,
  pid: null,
  port: null,
  restarts: 0,
  reason: '',
  drained: false,
  lastExit: null,
  startedAt: null,
};
