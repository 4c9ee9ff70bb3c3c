/** The Redis keys of one callback. */
export interface CallbackKeys {
  /** Hash: state, SHA-256 of the body, token, epoch, deadline, answer. Expires when the retention is over. */
  readonly record: string;
  /** Sorted set of the keys of a scope by when they began, for lists. */
  readonly index: string;
  readonly boot: string;
  /** Channel that says `done` or `failed` when an attempt ends. */
  readonly wakeChannel: string;
}

/** A scope holds no colon, so no two callbacks share a record. */
export function callbackKeys(prefix: string, scope: string, key: string): CallbackKeys {
  return {
    record: `${prefix}:callback:${scope}:${key}`,
    index: `${prefix}:callback-index:${scope}`,
    boot: `${prefix}:boot`,
    wakeChannel: `${prefix}:callback-wake:${scope}:${key}`,
  };
}
