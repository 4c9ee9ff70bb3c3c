import type { Snapshot } from '../../shared/contracts/snapshot.ts';

/**
 * One read of the store serves all that ask for the same version at once: fifty agents that were nudged by one change
 * cost one snapshot, not fifty.
 */
export class SnapshotCache {
  readonly #read: () => Promise<Snapshot>;
  #latest: Snapshot | null = null;
  #reading: Promise<Snapshot> | null = null;

  constructor(read: () => Promise<Snapshot>) {
    this.#read = read;
  }

  /** A snapshot whose version is at least `version`, or the newest there is. Rejects as the store does. */
  async atLeast(version: number): Promise<Snapshot> {
    if (this.#latest !== null && version > 0 && this.#latest.version >= version) return this.#latest;
    // A read that began before the wish was known may be too old: after it, one more that begins now.
    if (this.#reading !== null) {
      const joined = await this.#reading;
      if (version > 0 && joined.version >= version) return joined;
    }
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    const fresh = await this.#reading;
    this.#latest = fresh;
    return fresh;
  }

  /** The newest snapshot that was read, without a read. */
  get latest(): Snapshot | null {
    return this.#latest;
  }
}
