import { DroverError } from '../../contracts/drover-error.ts';
import type { PortsByPool } from './allocation-record.ts';
import type { TakenPorts } from './port-store.ts';

export interface PortAllocation {
  readonly id: string;
  readonly host: string;
  readonly owner: string | null;
  readonly ports: PortsByPool;
  /** Grows each time that the allocation changes hands. */
  readonly token: number;
  /** Aborts when the ports are no longer ours: released, adopted or reclaimed. A Redis that is away does not abort it. */
  readonly signal: AbortSignal;
  /** Call before listening: also sees that this process was silent for too long. @throws DroverError LEASE_LOST */
  assertHeld(): void;
  /** Stop listening first. Never throws; without an answer it is tried again with each heartbeat. */
  release(): Promise<void>;
}

/** An allocation as the participant that has it remembers it. */
export interface HeldPorts {
  readonly taken: TakenPorts;
  readonly takenAt: number;
  readonly allocation: PortAllocation;
  lose(reason: string): void;
}

export interface PortAllocationOptions {
  readonly host: string;
  readonly taken: TakenPorts;
  /** Whether the last heartbeat is young enough. */
  readonly isTrusted: () => boolean;
  readonly release: (allocation: PortAllocation) => Promise<void>;
}

/** The holder's half of an allocation. `end` says why it is held no longer; only the first call has an effect. */
export function createPortAllocation(options: PortAllocationOptions): {
  allocation: PortAllocation;
  end(reason: string): void;
} {
  const { host, taken, isTrusted } = options;
  let reason: string | undefined;
  // Made when it is asked for: most allocations are short, and errors and signals cost more than the scripts.
  let lost: AbortController | undefined;
  const abort = () => {
    const message = `The ports of allocation ${taken.id} on ${host} are no longer held: ${reason}. Stop listening.`;
    lost?.abort(new DroverError('LEASE_LOST', message, { details: { host, id: taken.id, reason } }));
  };
  const allocation: PortAllocation = {
    id: taken.id,
    host,
    owner: taken.owner === '' ? null : taken.owner,
    ports: taken.ports,
    token: taken.token,
    get signal() {
      if (lost === undefined) {
        lost = new AbortController();
        if (reason !== undefined) abort();
      }
      return lost.signal;
    },
    assertHeld() {
      if (reason !== undefined) this.signal.throwIfAborted();
      if (isTrusted()) return;
      const message = `Nothing was heard of the ports of host ${host} for too long. Try again, or allocate anew.`;
      throw new DroverError('LEASE_LOST', message, { details: { host, id: taken.id, reason: 'expired' } });
    },
    release: () => options.release(allocation),
  };
  return {
    allocation,
    end(why) {
      if (reason !== undefined) return;
      reason = why;
      abort();
    },
  };
}
