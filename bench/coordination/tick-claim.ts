import type { Coordination } from '../../shared/coordination/coordination.ts';
import { type ClaimAnswer, newClaimToken } from '../../shared/coordination/cron/claim-run.ts';
import { defineCron } from '../../shared/coordination/cron/cron-definition.ts';
import { finishRun } from '../../shared/coordination/cron/cron-scripts.ts';
import { DeclaredCron } from '../../shared/coordination/cron/declared-cron.ts';
import { StoreTime } from '../../shared/coordination/cron/store-time.ts';
import type { RateTask } from './compare-rates.ts';

const everyMs = 60_000;

interface ClaimedJob {
  readonly declared: DeclaredCron;
  /** Of its last run. */
  token: string;
}

/** Each call claims a new tick of a job whose last run has ended; ends of runs are not measured. */
export async function tickClaim(coordination: Coordination, jobCount: number): Promise<RateTask> {
  const jobs = await declareJobs(coordination, jobCount);
  let tick = nextTick();
  let next = 0;
  return {
    async prepare() {
      await inBatches(jobs, async (job) => {
        await end(coordination, job);
        // What was due before the declaration is not run: the job waits for this tick since an hour.
        job.declared.state = { ...job.declared.state!, lastTick: tick - everyMs };
        await coordination.redis.hset(job.declared.keys.job, 'lastTick', tick - everyMs);
      });
      tick += 1;
      next = 0;
      return jobs.length;
    },
    async call() {
      const job = jobs[next++]!;
      const token = newClaimToken();
      const answer = await claim(job, tick, token);
      if (answer.outcome !== 'claimed') throw new Error(`A free tick was ${answer.outcome}`);
      job.token = token;
    },
  };
}

/** Each call claims a tick that another instance has: what all instances but one get. */
export async function takenTick(coordination: Coordination): Promise<RateTask> {
  const jobs = await declareJobs(coordination, 100);
  const tick = nextTick();
  for (const { declared } of jobs) await coordination.redis.hset(declared.keys.job, 'lastTick', tick);
  let next = 0;
  return {
    async call() {
      next = (next + 1) % jobs.length;
      const answer = await claim(jobs[next]!, tick, newClaimToken());
      if (answer.outcome !== 'taken') throw new Error(`A tick of somebody else was ${answer.outcome}`);
    },
  };
}

function claim({ declared }: ClaimedJob, tick: number, token: string): Promise<ClaimAnswer> {
  const lastKnownTick = declared.state!.lastTick;
  return declared.claim({ tick, trigger: 'schedule', token, lastKnownTick, missed: 0 });
}

/** An hour ago: it is due by every clock. */
function nextTick(): number {
  return Math.floor((Date.now() - 3_600_000) / everyMs) * everyMs;
}

let declaredJobs = 0;

async function declareJobs(coordination: Coordination, count: number): Promise<ClaimedJob[]> {
  const time = new StoreTime(coordination.clock);
  const jobs = Array.from({ length: count }, (): ClaimedJob => {
    const definition = defineCron(`bench-${declaredJobs++}`, '* * * * *');
    return { declared: new DeclaredCron(coordination, time, definition, () => {}), token: '' };
  });
  await inBatches(jobs, ({ declared }) => declared.declare());
  return jobs;
}

async function end({ redis }: Coordination, { declared, token }: ClaimedJob): Promise<void> {
  if (token === '') return;
  const { job, history, requests, wakeChannel } = declared.keys;
  await finishRun.run(
    redis,
    [job, history, requests],
    [token, 'succeeded', 1, '', '', wakeChannel, declared.definition.name, '0'],
  );
}

async function inBatches<T>(items: readonly T[], act: (item: T) => Promise<unknown>): Promise<void> {
  const batchSize = 500;
  for (let from = 0; from < items.length; from += batchSize) {
    await Promise.all(items.slice(from, from + batchSize).map(act));
  }
}
