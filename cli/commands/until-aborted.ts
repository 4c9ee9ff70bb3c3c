import { once } from 'node:events';

/** Resolves when the signal is aborted, and keeps the process alive until then. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  // A listener of an abort signal alone does not count as work to the event loop.
  const alive = setInterval(() => undefined, 2 ** 30);
  await once(signal, 'abort').finally(() => clearInterval(alive));
}
