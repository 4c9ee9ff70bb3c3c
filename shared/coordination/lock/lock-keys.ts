/** Where the scripts of locks keep what they keep. Only what is held or waited for has keys; the epoch alone stays. */
export interface LockKeys {
  /** One counter for all locks: tokens and tickets, in µs of the server's clock or above. */
  readonly epoch: string;
  /** The channel on which one participant is woken; a message is the holder that was served. */
  wake(participantId: string): string;
  /** String with a time limit: `<holder> <epoch> <identity> <limit in ms>`, with ` *` after it while somebody waits. */
  lock(name: string): string;
  /** Sorted set: holders by ticket. */
  queue(name: string): string;
  /** String with a time limit, JSON: who waits, and for which names. */
  waiter(holder: string): string;
  /** Of a read-write lock or a semaphore. */
  shared(space: 'rw' | 'semaphore', name: string): SharedLockKeys;
  /** One master's vote for a lock: string with a time limit, the value of the try that has it. */
  quorum(name: string): string;
  /** On each master: the highest token that it has accepted. */
  readonly quorumEpoch: string;
}

export interface SharedLockKeys {
  /** Sorted set: holders by when they end, in ms of the server's clock. */
  readonly holders: string;
  /** Hash: holder → `<kind> <epoch> <identity> <limit in ms>`. */
  readonly info: string;
  /** Sorted set: holders by ticket. */
  readonly queue: string;
}

export function lockKeys(prefix: string): LockKeys {
  return {
    epoch: `${prefix}:epoch`,
    wake: (participantId) => `${prefix}:wake:${participantId}`,
    lock: (name) => `${prefix}:lock:${name}`,
    queue: (name) => `${prefix}:lock-queue:${name}`,
    waiter: (holder) => `${prefix}:lock-waiter:${holder}`,
    shared: (space, name) => ({
      holders: `${prefix}:${space}:${name}`,
      info: `${prefix}:${space}-info:${name}`,
      queue: `${prefix}:${space}-queue:${name}`,
    }),
    quorum: (name) => `${prefix}:quorum:${name}`,
    quorumEpoch: `${prefix}:quorum-epoch`,
  };
}
