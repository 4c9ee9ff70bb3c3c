import type { Snapshot } from '../../shared/contracts/snapshot.ts';

/**
 * Past this age a snapshot is read anew whatever its version: a change of leader, or a store that lost its last writes,
 * changes what is true and not always the number.
 */
const maxAgeMs = 500;

/**
 * One read of the store serves all that ask for the same version at once: fifty agents that were nudged by one change
 * cost one snapshot, not fifty.
 */
export class SnapshotCache {
  readonly #read: () => Promise<Snapshot>;
  readonly #monotonicMs: () => number;
  #heard = 0;
  #latest: { readonly snapshot: Snapshot; readonly beganAtMs: number } | null = null;
  #reading: Promise<Snapshot> | null = null;

  constructor(read: () => Promise<Snapshot>, monotonicMs: () => number) {
    this.#read = read;
    this.#monotonicMs = monotonicMs;
  }

  /** The store has this version now: a message or an answer of it said so. It goes back when a store lost writes. */
  note(version: number): number {
    this.#heard = version;
    return version;
  }

  /** A snapshot that knows of the version last heard of. Rejects as the store does. */
  async current(): Promise<Snapshot> {
    const latest = this.#latest;
    const isFresh = latest !== null && this.#monotonicMs() - latest.beganAtMs < maxAgeMs;
    if (isFresh && latest.snapshot.version === this.#heard) return latest.snapshot;
    // A read that began before the version was heard of may be too old: after it, one more that begins now.
    if (this.#reading !== null) {
      const joined = await this.#reading;
      if (joined.version === this.#heard) return joined;
    }
    this.#reading ??= this.#begin().finally(() => {
      this.#reading = null;
    });
    return await this.#reading;
  }

  async #begin(): Promise<Snapshot> {
    const beganAtMs = this.#monotonicMs();
    const snapshot = await this.#read();
    this.#latest = { snapshot, beganAtMs };
    return snapshot;
  }
}
