export interface ChildAbort {
  readonly signal: AbortSignal;
  /** Aborts the signal and lets go of the parent; to be called in the end in any case. */
  abort(): void;
}

/**
 * A signal that `parent` aborts too. `AbortSignal.any` would leave some hundred bytes behind with each call for as long as
 * the parent lives, which in a controller is months; this leaves nothing.
 */
export function childAbort(parent?: AbortSignal): ChildAbort {
  const child = new AbortController();
  const abort = () => {
    parent?.removeEventListener('abort', abort);
    child.abort();
  };
  if (parent?.aborted) child.abort();
  else parent?.addEventListener('abort', abort, { once: true });
  return { signal: child.signal, abort };
}
