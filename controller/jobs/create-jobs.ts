import type { Snapshot } from '../../shared/contracts/snapshot.ts';
import type { Coordination } from '../../shared/coordination/coordination.ts';
import { answerTimeoutMs, type ClaimedRun } from '../../shared/coordination/cron/claim-run.ts';
import type { CronRun } from '../../shared/coordination/cron/cron-job.ts';
import { cronKeys } from '../../shared/coordination/cron/cron-keys.ts';
import { finishRun } from '../../shared/coordination/cron/cron-scripts.ts';
import { describeError } from '../../shared/coordination/cron/describe-outcome.ts';
import { StoreTime } from '../../shared/coordination/cron/store-time.ts';
import { answerWithin } from '../../shared/coordination/lease/hold.ts';
import type { WakeHint } from '../../shared/redis/store/store.ts';
import type { Logger } from '../../shared/runtime/logger.ts';
import { createLoop } from '../../shared/runtime/loop.ts';
import { type ActiveJob, activeJobs } from './active-jobs.ts';
import type { JobRunStore } from './job-run-store.ts';
import { createJobSchedules } from './job-schedules.ts';
import { JobTicker } from './job-ticker.ts';
import { placeRun } from './place-run.ts';
import { healthyUpstreams, runRequest } from './run-request.ts';
import { RunWatch } from './watch-runs.ts';

export interface JobsOptions {
  /** Of what services share: there the ticks are claimed, beside those of the services' own crons. */
  readonly coordination: Coordination;
  readonly snapshot: () => Promise<Snapshot>;
  readonly onWake: (listener: (hint: WakeHint) => void) => () => void;
  readonly runs: JobRunStore;
  /** Where BullMQ keeps its schedules. */
  readonly redisUrl: string;
  readonly keyPrefix: string;
  /** Only the leader changes schedules, so that one that is behind does not put back what another has removed. */
  readonly isLeader: () => boolean;
  readonly logger: Logger;
}

export interface Jobs {
  /** Requests under way may end within five seconds; processes go on. Never throws. */
  close(): Promise<void>;
}

/** A change whose message was lost is seen by then, and a tick that BullMQ has lost is made up for. */
const lookMs = 5_000;
/** The ends of processes are told by messages; this often their claims are kept alive and lost nodes noticed. */
const watchMs = 1_000;
/** A controller that stops must be gone before a supervisor loses patience. */
const closeGraceMs = 5_000;
/** Redis, or the store, may be away for a moment between the claim of a tick and the start of its process. */
const startTries = 5;
const startRetryMs = 500;

/**
 * Runs the jobs of service files on this controller, one of several: BullMQ says when, the claims of cron say who. A tick
 * is started by whoever has claimed it, so that neither a tick told twice nor a change of leader starts it twice.
 */
export function createJobs(options: JobsOptions): Jobs {
  const { coordination, snapshot, onWake, runs, redisUrl, keyPrefix, isLeader, logger } = options;
  const { clock, prefix, redis } = coordination;
  const time = new StoreTime(clock);
  const tickers = new Map<string, { readonly text: string; readonly ticker: JobTicker }>();
  const closings = new Set<Promise<void>>();
  const followed = Promise.withResolvers<void>();
  const watch = new RunWatch({ coordination, store: runs, nodes: async () => (await snapshot()).nodes });

  const schedules = createJobSchedules({
    ...{ redisUrl, keyPrefix, logger },
    onTick: async (name, dueAtMs) => {
      // A controller that has just started would let the tick pass.
      await followed.promise;
      await tickers.get(name)?.ticker.look(false, dueAtMs);
    },
  });

  const follow = createLoop(
    async () => {
      const jobs = activeJobs(await snapshot());
      for (const [name, { text, ticker }] of tickers) {
        const job = jobs.get(name);
        if (job !== undefined && textOf(job) === text) continue;
        tickers.delete(name);
        const closing = ticker.close(closeGraceMs).finally(() => closings.delete(closing));
        closings.add(closing);
      }
      for (const [name, active] of jobs) {
        if (tickers.has(name)) continue;
        const ticker = new JobTicker({
          coordination,
          time,
          active,
          request: (run) => request(active, run),
          startProcess,
        });
        tickers.set(name, { text: textOf(active), ticker });
      }
      followed.resolve();
      if (isLeader()) await schedules.sync(jobs);
      await lookAll(true);
    },
    { intervalMs: lookMs, debounceMs: 20, clock, onError: (error) => trouble('The jobs cannot be read', error) },
  );
  const watching = createLoop(() => watch.look(), {
    ...{ intervalMs: watchMs, debounceMs: 20, clock },
    onError: (error) => trouble('The processes of jobs cannot be watched', error),
  });

  async function lookAll(isStale: boolean): Promise<void> {
    await Promise.all([...tickers.values()].map(({ ticker }) => ticker.look(isStale)));
  }

  function trouble(message: string, error: unknown): void {
    logger.warn(message, { reason: error instanceof Error ? error.message : String(error) });
  }

  /** `<name>`: its state has changed; `<name> freed`: a run has ended; `<name> replaced`: a run is another's now. */
  function hear(message: string | null): void {
    if (message === null) {
      follow.wake();
      return;
    }
    const [name = '', what] = message.split(' ');
    const ticker = tickers.get(name)?.ticker;
    if (what === 'replaced') {
      ticker?.checkRuns();
      watching.wake();
    } else ticker?.look(what === undefined).catch((error) => trouble('A job has no answer', error));
  }

  async function request(active: ActiveJob, run: CronRun): Promise<unknown> {
    if (active.spec.run.type !== 'http') throw new Error('it is not a request');
    const { service } = active.revision;
    const upstreams = healthyUpstreams(await snapshot(), service);
    const upstream = upstreams[Math.floor(Math.random() * upstreams.length)];
    if (upstream === undefined) throw new Error(`${service} has no healthy instance that listens`);
    const { runId, tick, token } = run;
    return runRequest(upstream, active.spec.run, { job: run.job, runId, tick, fence: token }, run.signal);
  }

  async function startProcess(active: ActiveJob, claimed: ClaimedRun): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        const present = (await runs.list()).map(({ run }) => run);
        const placed = placeRun(active, claimed, await snapshot(), present);
        if ('reason' in placed) await fail(active.name, claimed, placed.reason);
        else await runs.create(placed.run);
        watching.wake();
        return;
      } catch (error) {
        trouble('A process of a job could not be placed', error);
        if (tries < startTries) {
          await clock.sleep(startRetryMs, coordination.signal);
          continue;
        }
        // The run may have been written by a try whose answer was lost: its claim is left to whoever watches it, or to its end.
        return;
      }
    }
  }

  async function fail(name: string, { token }: ClaimedRun, reason: string): Promise<void> {
    const keys = cronKeys(prefix, name);
    const finished = finishRun.run(
      redis,
      [keys.job, keys.history, keys.requests],
      [token, 'failed', 0, '', describeError(reason), keys.wakeChannel, name, '1'],
    );
    await answerWithin(finished, answerTimeoutMs, clock);
    logger.warn('A process of a job cannot be placed', { job: name, reason });
  }

  const listening = coordination.wakeUps.listen(cronKeys(prefix, '').wakeChannel, hear);
  const forget = onWake(({ kind }) => {
    watching.wake();
    if (kind !== 'report') follow.wake();
  });
  follow.wake();

  return {
    async close() {
      forget();
      listening.close();
      followed.resolve();
      await follow.close();
      await schedules.close();
      await Promise.all([...tickers.values()].map(({ ticker }) => ticker.close(closeGraceMs)));
      await Promise.all(closings);
      await watching.close();
    },
  };
}

/** Equal for jobs that are run the same way. */
function textOf({ revision, spec }: ActiveJob): string {
  return JSON.stringify([revision.revision, spec]);
}
