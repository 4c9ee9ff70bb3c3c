import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { COMPILE_ONLY, SHIM_NODE_FLAGS, shimEnvironment } from './program.ts';

const MAIN_PATH = fileURLToPath(new URL('./main.ts', import.meta.url));

/** It takes a few hundred milliseconds; a host that is too busy for this does without. */
const TIMEOUT_MS = 30_000;

/**
 * Compiles the program of shims into the cache that they start from, in a process of its own. The first shims of a host would
 * otherwise compile at their start, all of them when a deploy starts several, and keep the memory that takes for as long as
 * they live. Resolves in any case, at once when the signal aborts: a shim without it is only larger and slower to start.
 */
export function precompileShim(compileCacheDirectory: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const options = { env: shimEnvironment(compileCacheDirectory), timeout: TIMEOUT_MS, signal };
    execFile(process.execPath, [...SHIM_NODE_FLAGS, MAIN_PATH, COMPILE_ONLY], options, () => resolve());
  });
}
