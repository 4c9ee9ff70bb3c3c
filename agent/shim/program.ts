/** Small generations of the heap: a shim allocates little, and stays near 12 MB instead of growing to the defaults. */
export const SHIM_NODE_FLAGS = ['--max-semi-space-size=1', '--max-old-space-size=256'] as const;

/** In place of the bundle directory: fill the compile cache, and end. */
export const COMPILE_ONLY = '--compile-only';

/**
 * The whole environment of a shim. Nothing of the agent's: it may hold secrets, and cluster workers would get it. One arena of the
 * C library, which would keep memory for each of the threads, and these do next to nothing. The cache is kept over
 * launches: a shim that finds its code compiled there has half the memory of one that does not.
 */
export function shimEnvironment(compileCacheDirectory: string): Record<string, string> {
  return { NODE_COMPILE_CACHE: compileCacheDirectory, MALLOC_ARENA_MAX: '1' };
}
