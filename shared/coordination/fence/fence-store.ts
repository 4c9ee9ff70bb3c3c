import type { FenceToken } from './fence-token.ts';

/** What a resource remembers: the highest token that it has seen, name by name. */
export interface FenceStore {
  /**
   * Answers true when no higher token of the name was seen, and remembers this one; false when one was. The same token
   * again is true. Rejects when the store cannot be asked: then nothing is known, and nothing may be let through.
   */
  raise(fence: FenceToken): Promise<boolean>;
}
