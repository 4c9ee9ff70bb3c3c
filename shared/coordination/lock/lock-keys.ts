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
}

export function lockKeys(prefix: string): LockKeys {
  return {
    epoch: `${prefix}:epoch`,
    wake: (participantId) => `${prefix}:wake:${participantId}`,
    lock: (name) => `${prefix}:lock:${name}`,
    queue: (name) => `${prefix}:lock-queue:${name}`,
    waiter: (holder) => `${prefix}:lock-waiter:${holder}`,
  };
}
