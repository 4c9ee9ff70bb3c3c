import type { LeaderAction } from '../../shared/contracts/leader-action.ts';
import type { Snapshot } from '../../shared/contracts/snapshot.ts';
import { decide } from '../orchestrator/decide.ts';
import { type Observations, observe } from '../orchestrator/observe.ts';

export interface Look {
  readonly snapshot: Snapshot;
  /** By the leader's monotonic clock. */
  readonly nowMs: number;
  /** The store was unreachable since the last look: silence proves nothing about anybody. */
  readonly storeResumed: boolean;
  /** What was applied since the last look. */
  readonly applied: readonly LeaderAction[];
}

/** Says what to do next, given what is. Remembers between looks, so that one belongs to one term. */
export type Reconcile = (look: Look) => LeaderAction[];

/** The orchestrator, with the memory of one term. */
export function createReconcile(newId: () => string): Reconcile {
  let observations: Observations | null = null;
  return ({ snapshot, nowMs, storeResumed, applied }) => {
    observations = observe(observations, snapshot, nowMs, { storeResumed, applied });
    return decide({ snapshot, observations, nowMs, newId });
  };
}
