import type { JobRun } from '../../shared/contracts/job-run.ts';
import { type MakeBundleOptions, makeBundle } from '../bundle/make-bundle.ts';
import type { Bundle, StartInstance } from '../shim/protocol.ts';

/** A bundle of its own for one process: it runs once, logs under the name of its job, and is ended with its whole tree. */
export function makeRunBundle(run: JobRun, options: Omit<MakeBundleOptions, 'revision'>): Bundle {
  const { service, revision, artifact, spec, job } = run;
  const bundle = makeBundle({ ...options, revision: { service, revision, artifact, spec } });
  return {
    ...bundle,
    socketPath: options.paths.runSocket(run.runId),
    execMode: 'fork',
    waitReady: false,
    expectListen: false,
    killSignal: 'SIGINT',
    treekill: true,
    shutdownWithMessage: false,
    restart: { ...bundle.restart, autorestart: false },
    logs: { ...bundle.logs, name: job },
  };
}

/** What the process learns of its run; the tick is an ISO instant, and the fence grows with each run of the job. */
export function runInstance({ runId, service, job, tickAt, fence }: JobRun): StartInstance {
  return {
    id: runId,
    slot: 0,
    port: null,
    env: {
      DROVER_JOB: `${service}/${job}`,
      DROVER_RUN: runId,
      DROVER_TICK: new Date(tickAt).toISOString(),
      DROVER_FENCE: String(fence),
    },
  };
}

/** Names the bundle of a run. Never that of a revision, which ends in a number. */
export function runBundleKey(runId: string): string {
  return `run@${runId}`;
}
