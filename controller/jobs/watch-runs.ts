import type { Node } from '../../shared/contracts/entities.ts';
import type { JobRun, JobRunStatus } from '../../shared/contracts/job-run.ts';
import type { Coordination } from '../../shared/coordination/coordination.ts';
import { answerTimeoutMs } from '../../shared/coordination/cron/claim-run.ts';
import { cronKeys } from '../../shared/coordination/cron/cron-keys.ts';
import { finishRun, heartbeatRun } from '../../shared/coordination/cron/cron-scripts.ts';
import { describeError, describeResult } from '../../shared/coordination/cron/describe-outcome.ts';
import { answerWithin } from '../../shared/coordination/lease/hold.ts';
import { processTtlMs } from './active-jobs.ts';
import type { JobRunStore, StoredRun } from './job-run-store.ts';

export interface RunWatchOptions {
  readonly coordination: Coordination;
  readonly store: JobRunStore;
  /** The nodes as the store has them now. Rejects when it does not answer. */
  readonly nodes: () => Promise<readonly Node[]>;
}

export type RunVerdict =
  | { readonly verb: 'keep' }
  | { readonly verb: 'stop'; readonly why: string }
  | { readonly verb: 'finish'; readonly outcome: FinishedOutcome; readonly error: string };

type FinishedOutcome = 'succeeded' | 'failed' | 'timed-out' | 'lost';

/** What a node needs besides the run itself: to fetch the artifact, to install dependencies, to end the process. */
const allowanceMs = 600_000;
/** From the wish to stop a run that took too long to its being given up. */
const giveUpAfterMs = 120_000;

/**
 * Speaks for the processes of jobs: keeps their claims alive while they run, and records how they end. Every controller
 * does it, so that a process outlives the one that began it; all of it may be done twice. What is given up is ended by its
 * node, as soon as that is heard again.
 */
export class RunWatch {
  readonly #options: RunWatchOptions;
  readonly #seenAtMs = new Map<string, number>();

  constructor(options: RunWatchOptions) {
    this.#options = options;
  }

  /** One look at all runs. Rejects when the store does not answer. */
  async look(): Promise<void> {
    const { store, nodes, coordination } = this.#options;
    const runs = await store.list();
    const nowMs = coordination.clock.monotonicMs();
    const ids = new Set(runs.map(({ run }) => run.runId));
    for (const id of this.#seenAtMs.keys()) if (!ids.has(id)) this.#seenAtMs.delete(id);
    if (runs.length === 0) return;
    const known = await nodes();
    await Promise.all(
      runs.map(async (stored) => {
        const { runId } = stored.run;
        const seenAtMs = this.#seenAtMs.get(runId) ?? nowMs;
        this.#seenAtMs.set(runId, seenAtMs);
        const node = known.find(({ id }) => id === stored.run.nodeId);
        await this.#apply(stored, node, judgeRun(stored, node, nowMs - seenAtMs));
      }),
    );
  }

  async #apply(stored: StoredRun, node: Node | undefined, verdict: RunVerdict): Promise<void> {
    const { store } = this.#options;
    const { run } = stored;
    switch (verdict.verb) {
      case 'keep':
        if ((await this.#beat(run)) !== 'renewed') await store.stop(run, 'the claim of its tick is over');
        return;
      case 'stop':
        await this.#beat(run);
        return store.stop(run, verdict.why);
      case 'finish':
        await this.#finish(stored, node, verdict);
        return store.remove(run);
    }
  }

  async #beat(run: JobRun): Promise<'renewed' | 'expired' | 'taken'> {
    const { redis, prefix, clock } = this.#options.coordination;
    const keys = cronKeys(prefix, nameOf(run));
    return answerWithin(heartbeatRun.run(redis, [keys.job], [run.claimToken, processTtlMs]), answerTimeoutMs, clock);
  }

  async #finish(
    { run, status }: StoredRun,
    node: Node | undefined,
    end: RunVerdict & { verb: 'finish' },
  ): Promise<void> {
    const { redis, prefix, clock, logger } = this.#options.coordination;
    const name = nameOf(run);
    const keys = cronKeys(prefix, name);
    const result = describeResult({
      node: node?.name ?? run.nodeId,
      code: status?.code ?? null,
      signal: status?.signal ?? null,
    });
    const error = end.error === '' ? '' : describeError(end.error);
    const finished = finishRun.run(
      redis,
      [keys.job, keys.history, keys.requests],
      [run.claimToken, end.outcome, status?.durationMs ?? 0, result, error, keys.wakeChannel, name, '1'],
    );
    const answer = await answerWithin(finished, answerTimeoutMs, clock);
    const log = end.outcome === 'succeeded' && answer === 'finished' ? logger.debug : logger.warn;
    log.call(logger, 'A process of a job has ended', { job: name, run: run.runId, ...end, recorded: answer });
  }
}

/** What to do about a run that has been seen for `seenForMs` by one and the same controller. Pure. */
export function judgeRun({ run, status }: StoredRun, node: Node | undefined, seenForMs: number): RunVerdict {
  if (status?.state === 'ended') return verdictOf(run, status);
  // It may still run there, but nobody can know: its node ends it when it comes back and finds it in no plan.
  if (node === undefined) return { verb: 'finish', outcome: 'lost', error: 'its node was removed' };
  if (node.state === 'lost') return { verb: 'finish', outcome: 'lost', error: `its node ${node.name} was lost` };
  const limitMs = run.maxRunMs + allowanceMs;
  if (seenForMs > limitMs + giveUpAfterMs) {
    return { verb: 'finish', outcome: 'lost', error: `node ${node.name} did not say what became of it` };
  }
  if (seenForMs > limitMs && run.desired === 'run') return { verb: 'stop', why: 'it took too long' };
  return { verb: 'keep' };
}

function verdictOf(run: JobRun, { outcome, reason, code, signal }: JobRunStatus): RunVerdict {
  switch (outcome) {
    case 'succeeded':
    case 'timed-out':
    case 'lost':
      return { verb: 'finish', outcome, error: reason };
    case 'stopped':
      return { verb: 'finish', outcome: 'failed', error: reason === '' ? 'it was stopped' : reason };
    case 'failed':
    case null:
      return { verb: 'finish', outcome: 'failed', error: reason === '' ? describe(run, code, signal) : reason };
  }
}

function describe({ spec }: JobRun, code: number | null, signal: string | null): string {
  return `${spec.script} ended ${signal === null ? `with code ${code}` : `by ${signal}`}`;
}

function nameOf({ service, job }: JobRun): string {
  return `${service}/${job}`;
}
