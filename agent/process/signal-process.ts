import { isAlive, type ProcessIdentity } from './process-identity.ts';

/** `gone` covers both a process that has ended and a stranger that holds its pid now. */
export type SignalOutcome = 'sent' | 'gone' | 'denied';

/**
 * Signals the named process, after checking that its pid still belongs to it. Check and signal are two adjacent system
 * calls: for a child of ours nothing can come between them, since its pid stays taken until we have reaped it.
 */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): SignalOutcome {
  if (identity.pid <= 1 || !isAlive(identity)) return 'gone';
  try {
    process.kill(identity.pid, signal);
    return 'sent';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? 'denied' : 'gone';
  }
}
