import { findEpochsThatFell } from './check-epochs.ts';
import { findSharingMistakes } from './check-sharing.ts';
import type { Operation } from './history.ts';
import { viewLeases } from './lease-view.ts';
import { checkLocks } from './lock-model.ts';
import type { MutexKind } from './mutex.ts';
import { permits } from './shared-mutex.ts';
import { viewShared } from './shared-view.ts';

export interface Judgement {
  readonly grants: number;
  readonly violations: readonly string[];
}

interface Evidence {
  readonly operations: readonly Operation[];
  /** Of the append-only file of the one Redis. */
  readonly commands: readonly (readonly string[])[];
  readonly prefix: string;
}

/** Whether what the processes and Redis recorded is what was promised of that kind. */
export function judgeKind(kind: MutexKind, evidence: Evidence): Judgement {
  const isShared = kind === 'rw' || kind === 'semaphore' || kind === 'careless-semaphore';
  return isShared ? judgeShared(evidence) : judgeExclusive(evidence);
}

function judgeExclusive({ operations, commands, prefix }: Evidence): Judgement {
  const view = viewLeases(commands, prefix);
  const wrong = [...checkLocks(operations)].filter(([, { verdict }]) => verdict !== 'linearizable');
  const histories = wrong.map(([key, verdict]) => `${key}: ${JSON.stringify(verdict)}`);
  return {
    grants: view.grants.length,
    violations: [...histories, ...view.overlaps, ...findEpochsThatFell(view.grants)],
  };
}

function judgeShared({ operations, commands, prefix }: Evidence): Judgement {
  const view = viewShared(commands, prefix, permits);
  const histories = findSharingMistakes(operations, permits);
  const seen = [...view.overlaps, ...view.overtakings, ...findEpochsThatFell(view.grants)];
  return { grants: view.grants.length, violations: [...histories, ...seen] };
}
