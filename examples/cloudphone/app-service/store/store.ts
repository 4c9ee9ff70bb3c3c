import type { Readable } from 'node:stream';

/** Bytes from `first` to `last`, both of them included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * Where the bytes are: a place that all instances reach. Keys are `<id>/<name>`; what exists under a key is whole and never
 * changes. A call that fails, or whose process dies, leaves nothing under the key.
 */
export interface Store {
  /** Rejects with the content's own error when that breaks off. */
  write(key: string, content: Readable, sizeBytes: number): Promise<void>;
  /** Rejects with `NotThere` when there is no such key. */
  read(key: string, range?: ByteRange): Promise<Readable>;
  /** Puts `parts` together under `key` if that gives `sha256`; answers what it gave, in hex. */
  join(parts: readonly StoredPart[], join: Join): Promise<string>;
  /** Removes all keys `<id>/…` but one. What is not there is no error. */
  clear(id: string, butFor?: string): Promise<void>;
  remove(key: string): Promise<void>;
  close(): void;
}

export interface StoredPart {
  readonly key: string;
  readonly sizeBytes: number;
}

export interface Join {
  readonly key: string;
  readonly sha256: string;
  readonly signal: AbortSignal;
}
