import { DroverError } from '../../contracts/drover-error.ts';
import type { Coordination } from '../coordination.ts';
import { runIdOf } from './claim-run.ts';
import type { CronHandler } from './cron-job.ts';
import type { DeclaredCron } from './declared-cron.ts';
import type { RunEnd, RunInProgress } from './run-claimed.ts';

/**
 * Runs a tick while Redis cannot be asked: every instance that declares the job does the same, so the effect must be made
 * once by a row per run (`claimRunRow`). The token is the tick in microseconds: above those of runs that were claimed
 * before it, below those of later ones, and the same on every instance. Nothing is recorded in the history.
 */
export function runWithoutStore(
  coordination: Coordination,
  declared: DeclaredCron,
  tick: number,
  handler: CronHandler,
): RunInProgress {
  const { clock } = coordination;
  const { name, maxRunMs } = declared.definition;
  const runId = runIdOf(name, tick, 'schedule');
  const run = {
    tick,
    trigger: 'schedule' as const,
    runId,
    epoch: tick * 1000,
    token: '',
    sentAtMs: clock.monotonicMs(),
  };
  const stop = new AbortController();
  const settled = new AbortController();

  async function enforceLimit(): Promise<void> {
    await clock.sleep(maxRunMs, settled.signal);
    if (settled.signal.aborted) return;
    const message = `The run ${runId} takes longer than ${maxRunMs} ms. Stop it, or give the job a longer maxRunMs.`;
    stop.abort(new DroverError('LEASE_LOST', message, { details: { what: `run ${runId}`, reason: 'timed-out' } }));
  }

  async function runToEnd(): Promise<RunEnd> {
    void enforceLimit();
    try {
      const result = await handler({
        ...{ job: name, tick: new Date(tick), runId, token: run.epoch, trigger: run.trigger, signal: stop.signal },
        assert: () => stop.signal.throwIfAborted(),
      });
      return { outcome: 'succeeded', result };
    } catch (error) {
      return { outcome: stop.signal.aborted ? 'timed-out' : 'failed', error };
    } finally {
      settled.abort();
    }
  }

  const inProgress = { run, ended: runToEnd(), check: () => {}, abort: (reason: DroverError) => stop.abort(reason) };
  return declared.track(inProgress);
}
