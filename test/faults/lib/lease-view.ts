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
 * Follows the keys of leases (`<prefix>:lease:<name>` and its `:epoch`) through the commands of an append-only file. A key
 * that expired is deleted there before anything else is done with it, so a grant over one that is there is an overlap.
 */
export function viewLeases(commands: readonly (readonly string[])[], prefix: string): LeaseView {
  const grants: Grant[] = [];
  const overlaps: string[] = [];
  const live = new Map<string, Grant>();
  const epochs = new Map<string, number>();
  const start = `${prefix}:lease:`;

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
    if (!key.startsWith(start)) continue;
    if (command === 'SET' && key.endsWith(':epoch')) epochs.set(key.slice(0, -':epoch'.length), Number(rest[0]));
    else if (command === 'SET') grant(key, rest);
    else if (command === 'PEXPIREAT') {
      const renewed = live.get(key);
      if (renewed !== undefined) renewed.expiresAtMs = Math.max(renewed.expiresAtMs, Number(rest[0]));
    }
  }
  return { grants, overlaps };

  function grant(key: string, [token = '', ...options]: readonly string[]): void {
    const before = live.get(key);
    if (before !== undefined) {
      before.end = 'overwritten';
      overlaps.push(`${key}: granted to ${token} while ${before.token} had it`);
    }
    const at = options.findIndex((option) => option.toUpperCase() === 'PXAT');
    const epoch = epochs.get(key) ?? Number.NaN;
    const made: Grant = { key: key.slice(start.length), token, epoch, expiresAtMs: Number(options[at + 1]), end: null };
    live.set(key, made);
    grants.push(made);
  }
}
