import type { Coordination } from '../coordination.ts';
import { newClaimToken } from './claim-run.ts';
import type { CronHandler, TickRun } from './cron-job.ts';
import { storeDownAfterMs } from './cron-loop.ts';
import type { DeclaredCron } from './declared-cron.ts';
import type { RunInProgress } from './run-claimed.ts';
import { runWithoutStore } from './run-without-store.ts';

/** A host whose clock is ahead by more should be repaired rather than waited for. */
const maxEarlyMs = 5000;
const retryMs = 100;

/** Runs one tick here if no other instance has claimed it; waits until it is due by the clock of Redis. Never throws. */
export async function runTick(
  coordination: Coordination,
  declared: DeclaredCron,
  tick: number,
  handler: CronHandler,
): Promise<TickRun> {
  const { clock, signal } = coordination;
  const token = newClaimToken();
  const giveUpAtMs = clock.monotonicMs() + storeDownAfterMs;
  while (!signal.aborted) {
    try {
      if (declared.state === undefined) await declared.declare();
      const lastKnownTick = declared.state?.lastTick ?? 0;
      const answer = await declared.claim({ tick, trigger: 'schedule', token, lastKnownTick, missed: 0 });
      if (answer.outcome === 'claimed') return await endOf(declared.start(answer.run, handler));
      if (answer.outcome !== 'early' || answer.remainingMs > maxEarlyMs) return { ran: false, reason: answer.outcome };
      await clock.sleep(answer.remainingMs, signal);
    } catch {
      if (clock.monotonicMs() < giveUpAtMs) {
        await clock.sleep(retryMs, signal);
      } else if (declared.definition.onStoreDown === 'run') {
        return await endOf(runWithoutStore(coordination, declared, tick, handler));
      } else {
        return { ran: false, reason: 'unreachable' };
      }
    }
  }
  return { ran: false, reason: 'closed' };
}

async function endOf({ run, ended }: RunInProgress): Promise<TickRun> {
  return { ran: true, runId: run.runId, token: run.epoch, ...(await ended) };
}
