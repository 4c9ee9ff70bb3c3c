import type { ExitReason } from './protocol.ts';

/** Why there is no process, in a word that programs can test and a sentence that says what to do. */
export interface StartFailure {
  readonly reason: ExitReason;
  readonly message: string;
  /** The host was short of something for a moment (processes, memory, descriptors): another try may succeed. */
  readonly retryable: boolean;
}

const RETRYABLE_CODES = new Set(['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE']);

/** Names what a failed spawn means. `command` is the program that could not be started. */
export function explainSpawnError(error: NodeJS.ErrnoException, command: string): StartFailure {
  const code = error.code ?? 'unknown error';
  if (code === 'ENOENT') {
    return {
      reason: 'interpreter-not-found',
      message: `${command} is not on this host: install it, or name another interpreter`,
      retryable: false,
    };
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return {
      reason: 'permission-denied',
      message: `${command} could not be started (${code}): it is not executable, or the user may not be changed`,
      retryable: false,
    };
  }
  return {
    reason: 'spawn-failed',
    message: `${command} could not be started: ${error.message}`,
    retryable: RETRYABLE_CODES.has(code),
  };
}
