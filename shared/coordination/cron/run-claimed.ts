import { DroverError } from '../../contracts/drover-error.ts';
import type { Coordination } from '../coordination.ts';
import { answerWithin, type HeldLease, hold } from '../lease/hold.ts';
import { answerTimeoutMs, type ClaimedRun } from './claim-run.ts';
import type { CronDefinition } from './cron-definition.ts';
import type { CronHandler, CronOutcome, CronRun } from './cron-job.ts';
import { cronKeys } from './cron-keys.ts';
import { finishRun, heartbeatRun } from './cron-scripts.ts';
import { describeError, describeResult } from './describe-outcome.ts';

/** How a run ended. `lost`: it was not ours any more at the end, and Redis has recorded it as lost or will. */
export interface RunEnd {
  readonly outcome: Exclude<CronOutcome, 'skipped'>;
  /** Of a handler that succeeded. */
  readonly result?: unknown;
  /** Of a handler that failed, or why the run timed out or was lost. */
  readonly error?: unknown;
}

export interface RunInProgress {
  readonly run: ClaimedRun;
  /** Resolves when the handler has settled and the end is recorded. Never rejects. */
  readonly ended: Promise<RunEnd>;
  /** Asks Redis whether the run is still ours, and aborts its signal if not. */
  check(): void;
  /** Aborts the run's signal; what it then returns is recorded as usual. */
  abort(reason: DroverError): void;
}

/** A handler that heeds its signal has ended by then; one that does not must not keep the job from its next run. */
const abortGraceMs = 5000;
/** Redis may be away when a run ends. Long enough for a failover; what is not recorded by then shows as `lost`. */
const recordWithinMs = 60_000;
const recordRetryMs = 200;

/** Runs the handler of a run that is ours, keeps the claim alive meanwhile, and records the end. */
export function runClaimed(
  coordination: Coordination,
  definition: CronDefinition,
  run: ClaimedRun,
  handler: CronHandler,
): RunInProgress {
  const { redis, prefix, clock, logger } = coordination;
  const { name, ttlMs, maxRunMs, overlap } = definition;
  const keys = cronKeys(prefix, name);
  const stop = new AbortController();
  const settled = new AbortController();
  const beat = () => heartbeatRun.run(redis, [keys.job], [run.token, ttlMs]);
  const held: HeldLease = hold({
    what: `run ${run.runId}`,
    epoch: run.epoch,
    ttlMs,
    sentAtMs: run.sentAtMs,
    renew: beat,
    giveBack: async () => {},
    clock,
    logger,
  });
  const startedAtMs = clock.monotonicMs();
  const onLost = () => stop.abort(held.signal.reason);
  held.signal.addEventListener('abort', onLost, { once: true });

  function assertOurs(): void {
    held.assertHeld();
    if (clock.monotonicMs() - startedAtMs >= maxRunMs) stop.abort(timedOut());
    stop.signal.throwIfAborted();
  }

  function timedOut(): DroverError {
    const message = `The run ${run.runId} takes longer than ${maxRunMs} ms. Stop it, or give the job a longer maxRunMs.`;
    return new DroverError('LEASE_LOST', message, { details: { what: `run ${run.runId}`, reason: 'timed-out' } });
  }

  const view: CronRun = {
    job: name,
    tick: new Date(run.tick),
    runId: run.runId,
    token: run.epoch,
    trigger: run.trigger,
    signal: stop.signal,
    assert: assertOurs,
  };

  async function callHandler(): Promise<RunEnd> {
    try {
      // An answer that came late may tell of a claim that is over.
      assertOurs();
      return { outcome: 'succeeded', result: await handler(view) };
    } catch (error) {
      return { outcome: 'failed', error };
    } finally {
      settled.abort();
    }
  }

  async function enforceLimit(): Promise<RunEnd> {
    await clock.sleep(maxRunMs, settled.signal);
    if (settled.signal.aborted) return never();
    const error = timedOut();
    stop.abort(error);
    await clock.sleep(abortGraceMs, settled.signal);
    return { outcome: 'timed-out', error };
  }

  async function runToEnd(): Promise<RunEnd> {
    const called = callHandler();
    const settledFirst = await Promise.race([called, enforceLimit()]);
    const isTimedOut = reasonOf(stop.signal.reason) === 'timed-out';
    const end: RunEnd = isTimedOut ? { outcome: 'timed-out', error: stop.signal.reason } : settledFirst;
    const durationMs = Math.round(clock.monotonicMs() - startedAtMs);
    held.signal.removeEventListener('abort', onLost);
    const isOurs = await record(end, durationMs);
    await held.release();
    if (!isOurs) logger.warn('A run ended after it was lost', { run: run.runId, outcome: end.outcome });
    return isOurs ? end : { ...end, outcome: 'lost' };
  }

  async function record({ outcome, result, error }: RunEnd, durationMs: number): Promise<boolean> {
    const resultJson = describeResult(result);
    const errorJson = error === undefined ? '' : describeError(error);
    const giveUpAtMs = clock.monotonicMs() + recordWithinMs;
    const mayBeWaitedFor = overlap === 'queue' ? '1' : '0';
    for (;;) {
      try {
        const recorded = finishRun.run(
          redis,
          [keys.job, keys.history, keys.requests],
          [run.token, outcome, durationMs, resultJson, errorJson, keys.wakeChannel, name, mayBeWaitedFor],
        );
        return (await answerWithin(recorded, answerTimeoutMs, clock)) === 'finished';
      } catch (failure) {
        logger.debug('The end of a run is not recorded yet', { run: run.runId, error: failure });
        const isClosed = coordination.signal.aborted || reasonOf(stop.signal.reason) === 'closed';
        if (isClosed || clock.monotonicMs() >= giveUpAtMs) return false;
        await clock.sleep(recordRetryMs, coordination.signal);
      }
    }
  }

  return {
    run,
    ended: runToEnd(),
    check() {
      beat().then(
        (answer) => {
          if (answer === 'renewed') return;
          const message = `The run ${run.runId} was replaced by a later one. Stop it.`;
          const details = { what: `run ${run.runId}`, epoch: run.epoch, reason: 'taken' };
          stop.abort(new DroverError('LEASE_LOST', message, { details }));
        },
        () => {},
      );
    },
    abort: (reason) => stop.abort(reason),
  };
}

function reasonOf(error: unknown): unknown {
  return error instanceof DroverError ? error.details.reason : undefined;
}

function never(): Promise<never> {
  return new Promise(() => {});
}
