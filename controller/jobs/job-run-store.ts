import type { Redis } from 'ioredis';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import type { JobRun, JobRunState, JobRunStatus } from '../../shared/contracts/job-run.ts';
import { jobRunKeys } from './job-run-keys.ts';
import { createRun, readRuns, removeRun, reportRuns, stopRun } from './job-run-scripts.ts';

/** A run as it stands: what is wanted of it, and what its node has said. */
export interface StoredRun {
  readonly run: JobRun;
  /** Null until its node has reported it. */
  readonly status: JobRunStatus | null;
}

/** The processes of jobs that are wanted, each on one node. Methods reject as the client does when Redis does not answer. */
export interface JobRunStore {
  /** Idempotent by the run's id. @throws DroverError STATE_CONFLICT when too many runs are wanted already */
  create(run: JobRun): Promise<'created' | 'exists'>;
  stop(run: JobRun, why: string): Promise<void>;
  remove(run: JobRun): Promise<void>;
  list(): Promise<StoredRun[]>;
  /** What a node says of its runs; a state that was passed is not gone back to. */
  report(nodeId: string, reports: readonly { readonly runId: string; readonly status: JobRunStatus }[]): Promise<void>;
}

/** A plan holds the runs of its node whole; as many at once as this would be a queue that belongs elsewhere. */
const maxRuns = 1_000;

const ranks: Record<JobRunState, number> = { waiting: 0, preparing: 1, running: 2, stopping: 3, ended: 4 };

export function createJobRunStore(redis: Redis, prefix: string): JobRunStore {
  const keys = jobRunKeys(prefix);
  return {
    async create(run) {
      const document = `${run.nodeId} ${JSON.stringify(run)}`;
      const nodes = JSON.stringify([run.nodeId]);
      const answer = await createRun.run(
        redis,
        [keys.runs, keys.version, keys.wake],
        [run.runId, document, nodes, maxRuns],
      );
      if (answer !== 'full') return answer;
      throw new DroverError(
        'STATE_CONFLICT',
        `${maxRuns} processes of jobs are wanted already; this one is not started`,
      );
    },
    async stop(run, why) {
      await stopRun.run(
        redis,
        [keys.runs, keys.stops, keys.version, keys.wake],
        [run.runId, why, JSON.stringify([run.nodeId])],
      );
    },
    async remove(run) {
      await removeRun.run(
        redis,
        [keys.runs, keys.stops, keys.statuses, keys.version, keys.wake],
        [run.runId, JSON.stringify([run.nodeId])],
      );
    },
    async list() {
      const [runs, stops, statuses] = await readRuns.run(redis, [keys.runs, keys.stops, keys.statuses], []);
      const stopped = toMap(stops);
      const statusOf = toMap(statuses);
      return [...toMap(runs)].map(([runId, text]) => {
        const run = JSON.parse(afterBlank(text)) as JobRun;
        const status = statusOf.get(runId);
        return {
          run: stopped.has(runId) ? { ...run, desired: 'stop' as const } : run,
          status: status === undefined ? null : (JSON.parse(afterBlank(status)) as JobRunStatus),
        };
      });
    },
    async report(nodeId, reports) {
      if (reports.length === 0) return;
      const args = reports.flatMap(({ runId, status }) => [runId, ranks[status.state], JSON.stringify(status)]);
      await reportRuns.run(
        redis,
        [keys.runs, keys.statuses, keys.version, keys.wake],
        [nodeId, JSON.stringify([nodeId]), ...args],
      );
    },
  };
}

function afterBlank(text: string): string {
  return text.slice(text.indexOf(' ') + 1);
}

function toMap(fields: readonly string[]): Map<string, string> {
  const map = new Map<string, string>();
  for (let index = 0; index < fields.length; index += 2) map.set(fields[index]!, fields[index + 1]!);
  return map;
}
