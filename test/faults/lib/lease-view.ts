/** One lease as Redis saw it, read from the order of its own effects. */
export interface Grant {
  /** The name of the lease, without what Redis has before it. */
  readonly key: string;
  readonly token: string;
  readonly epoch: number;
  /** Wall clock of the server in ms: the last instant that a grant or renewal gave it. */
  expiresAtMs: number;
  /** `deleted`: given back, or expired and swept. `overwritten`: another was granted while it was there. */
  end: 'deleted' | 'overwritten' | 'flushed' | null;
}

export interface LeaseView {
  readonly grants: readonly Grant[];
  /** Grants made while another was there. */
  readonly overlaps: readonly string[];
}

/**
 * Follows the keys of leases (`<prefix>:lease:<name>`, with the epoch beside it) and of locks (`<prefix>:lock:<name>`, with
 * the epoch in it) through the commands of an append-only file. A key that expired is deleted there before anything else
 * is done with it, so a grant over another's that is there is an overlap.
 */
export function viewLeases(commands: readonly (readonly string[])[], prefix: string): LeaseView {
  const grants: Grant[] = [];
  const overlaps: string[] = [];
  const live = new Map<string, Grant>();
  const epochs = new Map<string, number>();
  const leaseStart = `${prefix}:lease:`;
  const lockStart = `${prefix}:lock:`;

  for (const [verb = '', key = '', ...rest] of commands) {
    const command = verb.toUpperCase();
    if (command === 'FLUSHALL' || command === 'FLUSHDB') {
      for (const grant of live.values()) grant.end = 'flushed';
      live.clear();
    }
    if (command === 'DEL' || command === 'UNLINK') {
      for (const name of [key, ...rest]) {
        const ended = live.get(name);
        if (ended !== undefined) ended.end = 'deleted';
        live.delete(name);
      }
    }
    if (command === 'PEXPIREAT') {
      const renewed = live.get(key);
      if (renewed !== undefined) renewed.expiresAtMs = Math.max(renewed.expiresAtMs, Number(rest[0]));
    }
    if (command !== 'SET') continue;
    const [value = '', ...options] = rest;
    if (key.startsWith(leaseStart) && key.endsWith(':epoch')) epochs.set(key.slice(0, -':epoch'.length), Number(value));
    else if (key.startsWith(leaseStart)) {
      const epoch = epochs.get(key) ?? Number.NaN;
      grant(key, { key: key.slice(leaseStart.length), token: value, epoch }, options);
    } else if (key.startsWith(lockStart)) {
      const [holder = '', epoch] = value.split(' ');
      grant(key, { key: key.slice(lockStart.length), token: holder, epoch: Number(epoch) }, options);
    }
  }
  return { grants, overlaps };

  function grant(redisKey: string, made: Pick<Grant, 'key' | 'token' | 'epoch'>, options: readonly string[]): void {
    const expiresAtMs = Number(options[options.findIndex((option) => option.toUpperCase() === 'PXAT') + 1]);
    const before = live.get(redisKey);
    if (before !== undefined && before.token === made.token && before.epoch === made.epoch) {
      before.expiresAtMs = Math.max(before.expiresAtMs, expiresAtMs);
      return;
    }
    if (before !== undefined) {
      before.end = 'overwritten';
      overlaps.push(`${redisKey}: granted to ${made.token} while ${before.token} had it`);
    }
    const next: Grant = { ...made, expiresAtMs, end: null };
    live.set(redisKey, next);
    grants.push(next);
  }
}
