import type { Coordination } from '../coordination.ts';
import { type HeldLease, type Holding, hold } from '../lease/hold.ts';

export type LockKind = 'lock' | 'read' | 'write' | 'semaphore';

/** A lock or permit that is held: released at the end of the block where it stands as `await using`. */
export interface HeldLock extends AsyncDisposable {
  /** Of several names the sorted ones, joined by a comma. */
  readonly name: string;
  readonly kind: LockKind;
  /** The fencing token: above all that were given out before it. */
  readonly token: number;
  /** Aborts before the lock can end; the reason is LEASE_LOST. */
  readonly signal: AbortSignal;
  readonly lossReason: HeldLease['lossReason'];
  /** Call before each effect: unlike the signal it also sees a pause of the whole process. @throws DroverError LEASE_LOST */
  assert(): void;
  /** Never throws: what cannot be given back expires. */
  release(): Promise<void>;
}

export interface KeepLock extends Pick<Holding, 'epoch' | 'ttlMs' | 'sentAtMs' | 'renew' | 'giveBack'> {
  readonly name: string;
  readonly kind: LockKind;
  readonly onEnd: (lock: HeldLock) => void;
}

export function keepLock({ clock, logger }: Coordination, keep: KeepLock): HeldLock {
  const lease = hold({
    what: `${whatOf(keep.kind)} ${keep.name}`,
    epoch: keep.epoch,
    ttlMs: keep.ttlMs,
    sentAtMs: keep.sentAtMs,
    renew: keep.renew,
    giveBack: keep.giveBack,
    clock,
    logger,
  });
  return new KeptLock(keep, lease);
}

export function whatOf(kind: LockKind): string {
  if (kind === 'lock') return 'lock';
  return kind === 'semaphore' ? 'permit of' : `${kind} lock`;
}

class KeptLock implements HeldLock {
  readonly name: string;
  readonly kind: LockKind;
  readonly token: number;
  readonly #lease: HeldLease;
  readonly #onEnd: (lock: HeldLock) => void;

  constructor({ name, kind, epoch, onEnd }: KeepLock, lease: HeldLease) {
    this.name = name;
    this.kind = kind;
    this.token = epoch;
    this.#lease = lease;
    this.#onEnd = onEnd;
  }

  get signal(): AbortSignal {
    return this.#lease.signal;
  }

  get lossReason(): HeldLease['lossReason'] {
    return this.#lease.lossReason;
  }

  assert(): void {
    this.#lease.assertHeld();
  }

  release(): Promise<void> {
    this.#onEnd(this);
    return this.#lease.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}
