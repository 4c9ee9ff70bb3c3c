/** The Redis keys of one lease. */
export interface LeaseKeys {
  /** String with a time limit: the holder's token, `<uuid> <identity>`. */
  readonly lease: string;
  /** String that never expires: the highest epoch given out. A script that is passed a lower one must refuse. */
  readonly epoch: string;
  /** String, one per Redis: when this data set was first seen empty, in ms of the server's clock. */
  readonly boot: string;
  /** Channel that says "released" when a holder lets go. */
  readonly wakeChannel: string;
}

/** Of all keys in Redis, where nothing else is configured. */
export const defaultKeyPrefix = 'drover';

export function leaseKeys(name: string, prefix = defaultKeyPrefix): LeaseKeys {
  return {
    lease: `${prefix}:lease:${name}`,
    epoch: `${prefix}:lease:${name}:epoch`,
    boot: `${prefix}:boot`,
    wakeChannel: `${prefix}:lease:${name}:wake`,
  };
}
