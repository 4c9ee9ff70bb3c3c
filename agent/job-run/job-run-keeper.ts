import { join } from 'node:path';
import type { Plan } from '../../shared/contracts/agent-session.ts';
import type { JobRun, JobRunStatus } from '../../shared/contracts/job-run.ts';
import type { Clock } from '../../shared/runtime/clock.ts';
import type { Logger } from '../../shared/runtime/logger.ts';
import type { Preparer } from '../artifact/preparer.ts';
import type { BundleHost } from '../bundle/bundle-host.ts';
import { bundleKey } from '../data-paths.ts';
import { processAgeMs } from '../process/process-age.ts';
import { readExitRecords } from '../shim/discover.ts';
import type { Bundle, WorkerExit, WorkerSnapshot } from '../shim/protocol.ts';
import { runBundleKey, runInstance } from './make-run-bundle.ts';
import { nextRunStep, type RunEnd, type RunStep, type RunView } from './next-run-step.ts';
import type { RunRecord, RunRecords } from './run-records.ts';

interface KeptRun {
  run: JobRun;
  record: RunRecord | null;
  busy: boolean;
  /** By the monotonic clock. */
  startedAtMs: number | null;
}

export interface JobRunKeeperOptions {
  readonly bundles: BundleHost;
  /** Where the bundles are. */
  readonly bundleRoot: string;
  /** One of its own: a script that a job lacks must not fail the instances of its service. */
  readonly preparer: Preparer;
  readonly records: RunRecords;
  readonly makeBundle: (run: JobRun) => Bundle;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Something has changed. It must not act, only note. */
  onChange(): void;
}

export interface ReportedRun {
  readonly runId: string;
  readonly status: JobRunStatus;
}

/** A start is a process and its shim; a node must not be asked for all that an hour has missed in the same second. */
const maxStartsAtOnce = 4;

/** As much as a status may hold. */
const maxReasonLength = 4_096;
const maxLastLines = 20;

/**
 * The processes of jobs that the plan wants here, each started at most once: that it is begun is on disk before it is.
 * They have shims as workers have, so that they go on without an agent.
 */
export class JobRunKeeper {
  readonly #options: JobRunKeeperOptions;
  readonly #runs = new Map<string, KeptRun>();
  #confirmed = false;
  #startsUnderWay = 0;

  constructor(options: JobRunKeeperOptions) {
    this.#options = options;
  }

  /** Looks at every run of the plan once, and begins the step that each needs next. */
  pass(plan: Plan, confirmed: boolean): void {
    this.#confirmed = confirmed;
    this.#follow(plan);
    for (const kept of this.#runs.values()) {
      if (!kept.busy) this.#begin(kept, nextRunStep(this.#view(kept)));
    }
  }

  list(): { instanceId: string; bundle: string; ended: boolean }[] {
    return [...this.#runs.values()].map(({ run, record }) => ({
      instanceId: run.runId,
      bundle: runBundleKey(run.runId),
      ended: record?.state === 'ended',
    }));
  }

  report(): ReportedRun[] {
    return [...this.#runs.values()].map((kept) => ({ runId: kept.run.runId, status: this.#describe(kept) }));
  }

  #follow(plan: Plan): void {
    const planned = new Set(plan.runs.map(({ runId }) => runId));
    let dropped = false;
    for (const id of this.#runs.keys()) {
      if (planned.has(id)) continue;
      this.#runs.delete(id);
      dropped = true;
    }
    for (const run of plan.runs) {
      const kept = this.#runs.get(run.runId);
      if (kept !== undefined) kept.run = run;
      else {
        const record = this.#options.records.read(run.runId);
        this.#runs.set(run.runId, { run, record, busy: false, startedAtMs: null });
      }
    }
    this.#options.preparer.keepOnly(new Set(plan.runs.map(preparationKey)));
    if (dropped && this.#confirmed) this.#options.records.prune(planned);
  }

  #view(kept: KeptRun): RunView {
    const { bundles, preparer, bundleRoot } = this.#options;
    const { run, record } = kept;
    const key = runBundleKey(run.runId);
    const bundle = bundles.stateOf(key);
    const worker = bundles.worker(key, run.runId);
    return {
      run,
      confirmed: this.#confirmed,
      record: record?.state ?? 'none',
      preparation: preparer.stateOf(run.runId, run.revision),
      bundle,
      worker,
      recordedExit:
        record?.state === 'begun' && bundle === 'absent' ? findExit(join(bundleRoot, key), run.runId) : null,
      runningForMs: this.#runningForMs(kept, worker),
    };
  }

  #runningForMs(kept: KeptRun, worker: WorkerSnapshot | null): number {
    const { clock } = this.#options;
    if (worker?.startTime == null) return 0;
    kept.startedAtMs ??= clock.monotonicMs() - processAgeMs(worker.startTime);
    return clock.monotonicMs() - kept.startedAtMs;
  }

  #begin(kept: KeptRun, step: RunStep): void {
    if (step.kind === 'wait') return;
    const starts = step.kind === 'begin' || step.kind === 'start';
    // The end of each step asks for another look.
    if (starts && this.#startsUnderWay >= maxStartsAtOnce) return;
    const { logger, onChange } = this.#options;
    kept.busy = true;
    if (starts) this.#startsUnderWay += 1;
    void this.#apply(kept, step)
      .finally(() => {
        kept.busy = false;
        if (starts) this.#startsUnderWay -= 1;
      })
      .then(onChange)
      .catch((error: Error) =>
        // Decided anew at the next look; not at once, since nothing has changed.
        logger.warn('a step of a run failed', { runId: kept.run.runId, step: step.kind, reason: error.message }),
      );
  }

  async #apply(kept: KeptRun, step: Exclude<RunStep, { kind: 'wait' }>): Promise<void> {
    const { bundles, preparer, logger, records, makeBundle } = this.#options;
    const { run } = kept;
    const { runId } = run;
    const key = runBundleKey(runId);
    switch (step.kind) {
      case 'prepare':
        preparer.begin({ service: runId, revision: run.revision, artifact: run.artifact, spec: run.spec });
        return;
      case 'begin': {
        const begun: RunRecord = { state: 'begun', end: null };
        records.write(runId, begun);
        kept.record = begun;
        try {
          await bundles.open(key, makeBundle(run));
        } catch (error) {
          this.#end(kept, notStarted((error as Error).message));
          return;
        }
        return bundles.request(key, { type: 'start', instance: runInstance(run), failFast: true });
      }
      case 'start':
        return bundles.request(key, { type: 'start', instance: runInstance(run), failFast: true });
      case 'stop':
        logger.warn('a run is stopped', { runId, job: `${run.service}/${run.job}`, why: step.why });
        return bundles.request(key, { type: 'stop', id: runId });
      case 'end':
        this.#end(kept, step.end);
    }
  }

  #end(kept: KeptRun, end: RunEnd): void {
    const { records, logger } = this.#options;
    const { runId, service, job } = kept.run;
    const record: RunRecord = { state: 'ended', end: bounded(end) };
    try {
      records.write(runId, record);
    } catch (error) {
      // It is reported all the same; after another start of the agent its shim, or the record of its begin, tells.
      logger.error('the end of a run could not be saved', { runId, reason: (error as Error).message });
    }
    kept.record = record;
    logger.info('a run has ended', { runId, job: `${service}/${job}`, outcome: end.outcome, reason: end.reason });
  }

  #describe(kept: KeptRun): JobRunStatus {
    const { run, record } = kept;
    if (record?.end != null) return { state: 'ended', ...record.end, lastLines: [...record.end.lastLines] };
    const worker = this.#options.bundles.worker(runBundleKey(run.runId), run.runId);
    const preparation = this.#options.preparer.stateOf(run.runId, run.revision);
    const state =
      record !== null
        ? worker?.phase === 'stopping'
          ? 'stopping'
          : 'running'
        : preparation.state === 'none'
          ? 'waiting'
          : 'preparing';
    const reason = preparation.state === 'running' ? preparation.note : '';
    return { state, outcome: null, code: null, signal: null, reason, lastLines: [], durationMs: 0 };
  }
}

function preparationKey({ runId, revision }: JobRun): string {
  return bundleKey(runId, revision);
}

function findExit(directory: string, runId: string): WorkerExit | null {
  return readExitRecords(directory).findLast(({ instanceId }) => instanceId === runId) ?? null;
}

function notStarted(reason: string): RunEnd {
  return { outcome: 'failed', code: null, signal: null, reason, lastLines: [], durationMs: 0 };
}

function bounded(end: RunEnd): RunEnd {
  return { ...end, reason: end.reason.slice(0, maxReasonLength), lastLines: end.lastLines.slice(-maxLastLines) };
}
