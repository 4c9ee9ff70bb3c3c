/** The Redis keys of one lease. */
export interface LeaseKeys {
  /** String with a time limit: the holder's token, `<uuid> <identity>`. */
  readonly lease: string;
  /** String that never expires: the highest epoch given out. A script that is passed a lower one must refuse. */
  readonly epoch: string;
  /**
   * String, one per Redis: when this data set was first seen empty, in ms of the server's clock; where failovers are
   * guarded against, a space and the server's run id follow.
   */
  readonly boot: string;
  /** Channel that says "released" when a holder lets go, and "elected" when a candidate got the lease. */
  readonly wakeChannel: string;
  /** Sorted set: candidates in line, by ticket. */
  readonly line: string;
  /** Sorted set: the same candidates, by when they last asked, in ms of the server's clock. */
  readonly seen: string;
}

/** Of all keys in Redis, where nothing else is configured. */
export const defaultKeyPrefix = 'drover';

/** What follows the name in keys and channels of a lease: a name that ends so would be taken for a part of another. */
const partEnds = [':epoch', ':wake'] as const;

/** Whether no other lease has a key or a channel of one with this name. */
export function isLeaseName(name: string): boolean {
  return name.isWellFormed() && !partEnds.some((end) => name.endsWith(end));
}

export function leaseKeys(name: string, prefix = defaultKeyPrefix): LeaseKeys {
  return {
    lease: `${prefix}:lease:${name}`,
    epoch: `${prefix}:lease:${name}:epoch`,
    boot: `${prefix}:boot`,
    wakeChannel: `${prefix}:lease:${name}:wake`,
    line: `${prefix}:lease-line:${name}`,
    seen: `${prefix}:lease-seen:${name}`,
  };
}
