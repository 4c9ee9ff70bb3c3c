import { checkLinearizable, type Linearizability, type Model } from './check-linearizable.ts';
import type { Operation } from './history.ts';

interface LockState {
  /** Epoch of the last grant that was not released, `unknown` for a grant nobody was told of, or null. */
  readonly holder: number | 'unknown' | null;
  readonly highestEpoch: number;
}

/**
 * A lock with a time limit and a fencing token. A grant may end by itself at any time, so the next grant is always possible,
 * but with a higher epoch only; from then on the earlier holder must not be able to assert that it holds. A try may be
 * refused only while somebody can hold.
 */
export const lockModel: Model<Operation, LockState> = {
  initial: { holder: null, highestEpoch: 0 },
  keyOf: (state) => `${state.holder}/${state.highestEpoch}`,
  step(state, operation) {
    const { type, outcome, epoch } = operation;
    if (type === 'acquire') {
      if (outcome === 'fail') return state.holder === null ? null : state;
      if (outcome === 'info' || epoch === undefined) return { ...state, holder: 'unknown' };
      return epoch > state.highestEpoch ? { holder: epoch, highestEpoch: epoch } : null;
    }
    if (type === 'assert') return state.holder === epoch ? state : null;
    if (type === 'release') return state.holder === epoch ? { ...state, holder: null } : state;
    return state;
  },
};

/** Judges each key by itself. Assertions that failed prove nothing and are left out. */
export function checkLocks(operations: readonly Operation[]): Map<string, Linearizability> {
  const byKey = Map.groupBy(
    operations.filter(({ type, outcome }) => type !== 'write' && !(type === 'assert' && outcome !== 'ok')),
    ({ key }) => key,
  );
  return new Map([...byKey].map(([key, own]) => [key, checkLinearizable(own, lockModel)]));
}
