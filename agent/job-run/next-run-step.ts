import type { JobRun, JobRunStatus } from '../../shared/contracts/job-run.ts';
import type { BundleState, Preparation } from '../instance/instance-view.ts';
import type { WorkerExit, WorkerSnapshot } from '../shim/protocol.ts';

export type RunOutcome = NonNullable<JobRunStatus['outcome']>;

/** How a run came to its end. */
export interface RunEnd {
  readonly outcome: RunOutcome;
  readonly code: number | null;
  readonly signal: string | null;
  readonly reason: string;
  readonly lastLines: readonly string[];
  readonly durationMs: number;
}

/** All that is known of one run on this host. */
export interface RunView {
  readonly run: JobRun;
  /** A controller has said in this life of the agent that the plan stands. */
  readonly confirmed: boolean;
  /** What is on disk: `begun` is written before anything is started. */
  readonly record: 'none' | 'begun' | 'ended';
  readonly preparation: Preparation;
  readonly bundle: BundleState;
  readonly worker: WorkerSnapshot | null;
  /** The end that a shim has recorded before it ended itself. */
  readonly recordedExit: WorkerExit | null;
  /** Since the process was started, by the monotonic clock. */
  readonly runningForMs: number;
}

export type RunStep =
  | { readonly kind: 'wait' }
  | { readonly kind: 'prepare' }
  | { readonly kind: 'begin' }
  | { readonly kind: 'start' }
  | { readonly kind: 'stop'; readonly why: string }
  | { readonly kind: 'end'; readonly end: RunEnd };

const wait: RunStep = { kind: 'wait' };

/**
 * The one thing to do next for a run.
 *
 * ```
 * none ── prepare ──▶ begun (on disk) ── start ──▶ runs ── exit, or stop ──▶ ended (on disk)
 *                       └── shim and process gone, no exit recorded ──▶ ended as lost
 * ```
 * A run that was begun is never begun again, whatever became of it: at most one process of a tick.
 */
export function nextRunStep(view: RunView): RunStep {
  switch (view.record) {
    case 'ended':
      return wait;
    case 'none':
      return beforeBegin(view);
    case 'begun':
      return afterBegin(view);
  }
}

function beforeBegin({ run, confirmed, preparation }: RunView): RunStep {
  if (run.desired === 'stop') return ended('stopped', 'it was stopped before it began');
  // A plan from disk may be long outdated: what it wants may have run elsewhere since.
  if (!confirmed) return wait;
  switch (preparation.state) {
    case 'none':
      return { kind: 'prepare' };
    case 'running':
      return wait;
    case 'failed':
      return ended('failed', preparation.reason);
    case 'ready':
      return { kind: 'begin' };
  }
}

function afterBegin(view: RunView): RunStep {
  const { bundle, worker, recordedExit } = view;
  switch (bundle) {
    case 'connecting':
    case 'orphaned':
      // What a dead shim has left is ended by identity first; then it can be said what became of the run.
      return wait;
    case 'absent':
      return recordedExit === null
        ? ended('lost', 'what supervised its process ended, and the process was ended with it')
        : { kind: 'end', end: endOf(view, recordedExit) };
    case 'connected':
      return worker === null ? { kind: 'start' } : whileRunning(view, worker);
  }
}

function whileRunning(view: RunView, worker: WorkerSnapshot): RunStep {
  const { run, runningForMs } = view;
  if (worker.phase === 'exited' || worker.phase === 'errored') {
    return worker.lastExit === null
      ? ended('failed', worker.failure ?? 'it ended, and nothing is known of how')
      : { kind: 'end', end: endOf(view, worker.lastExit) };
  }
  if (worker.phase === 'stopping') return wait;
  if (run.desired === 'stop') return { kind: 'stop', why: 'it is no longer wanted' };
  if (runningForMs >= run.maxRunMs) return { kind: 'stop', why: `it ran longer than ${run.maxRunMs} ms` };
  return wait;
}

function endOf({ run }: RunView, exit: WorkerExit): RunEnd {
  const { code, signal, lastLines, uptimeMs, message } = exit;
  const outcome = outcomeOf(run, exit);
  const reason = outcome === 'timed-out' ? `it ran longer than ${run.maxRunMs} ms: ${message}` : message;
  return { outcome, code, signal, reason: outcome === 'succeeded' ? '' : reason, lastLines, durationMs: uptimeMs };
}

function outcomeOf({ desired }: JobRun, { reason, code }: WorkerExit): RunOutcome {
  // Only a run that took too long, or is not wanted any more, is stopped by us.
  if (reason === 'stop') return desired === 'stop' ? 'stopped' : 'timed-out';
  return reason === 'exit' && code === 0 ? 'succeeded' : 'failed';
}

function ended(outcome: RunOutcome, reason: string): RunStep {
  return { kind: 'end', end: { outcome, code: null, signal: null, reason, lastLines: [], durationMs: 0 } };
}
