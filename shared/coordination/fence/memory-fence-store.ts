import type { FenceStore } from './fence-store.ts';
import { checkFenceToken } from './fence-token.ts';

/** Names kept at once: some 20 MB of them. The one that was not used for longest is forgotten for the next. */
const maxNames = 100_000;

/** For a resource that is one process and whose effects end with it, and for tests. A restart forgets everything. */
export function createMemoryFenceStore(): FenceStore {
  const highest = new Map<string, number>();
  return {
    async raise(fence) {
      checkFenceToken(fence);
      const { name, token } = fence;
      const seen = highest.get(name) ?? 0;
      // Set anew in any case: the order of a Map is that of insertion, so the first is the one unused for longest.
      highest.delete(name);
      highest.set(name, Math.max(seen, token));
      if (highest.size > maxNames) highest.delete(highest.keys().next().value!);
      return token >= seen;
    },
  };
}
