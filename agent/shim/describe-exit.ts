import type { GiveUpReason } from '../instance/restart.ts';
import type { ExitReason } from './protocol.ts';
import type { ProcessExit } from './worker-process.ts';

/** The end of a run in a sentence: what happened, and why if we brought it about. */
export function describeExit(exit: ProcessExit, reason: ExitReason, detail: string | null, uptimeMs: number): string {
  const how = exit.signal === null ? `exited with code ${exit.code}` : `was ended by ${exit.signal}`;
  const after = `${how} after ${(uptimeMs / 1000).toFixed(1)} s`;
  return detail === null ? after : `${after} (${reason}: ${detail})`;
}

/** Why there is no other attempt, in a sentence. */
export function describeGiveUp(reason: GiveUpReason, unstableRestarts: number, lastExit: string): string {
  switch (reason) {
    case 'failed-first-start':
      return `it was never ready: ${lastExit}`;
    case 'no-autorestart':
      return `autorestart is off: ${lastExit}`;
    case 'stop-exit-code':
      return `its exit code is among stop_exit_codes: ${lastExit}`;
    case 'too-many-restarts':
      return `${unstableRestarts} unstable exits in a row, the last: ${lastExit}`;
  }
}
