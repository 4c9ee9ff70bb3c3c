import { Queue, type RepeatOptions, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { parseSchedule, type Schedule } from '../../shared/coordination/cron/schedule.ts';
import { connectRedis } from '../../shared/redis/connect.ts';
import { childAbort } from '../../shared/runtime/child-abort.ts';
import { systemClock } from '../../shared/runtime/clock.ts';
import type { Logger } from '../../shared/runtime/logger.ts';
import type { ActiveJob } from './active-jobs.ts';

export interface JobSchedulesOptions {
  readonly redisUrl: string;
  /** Of all keys of the controllers. */
  readonly keyPrefix: string;
  readonly logger: Logger;
  /** A tick of the job is due, or was due, at `dueAtMs`; it may be told twice. A rejection is logged. */
  onTick(name: string, dueAtMs: number): Promise<void>;
}

export interface JobSchedules {
  /** Makes the schedules in Redis those of `jobs`, and mends one whose next tick was lost. Rejects without Redis. */
  sync(jobs: ReadonlyMap<string, ActiveJob>): Promise<void>;
  /** Ends the worker, once ticks under way have been told, and the connections. Never throws. */
  close(): Promise<void>;
}

const queueName = 'jobs';
/** Ticks of all jobs that one controller takes in at once; each takes a few milliseconds unless its clock is ahead. */
const concurrency = 50;
/** A tick that a dead controller had taken is taken by another after about this long. */
const lockMs = 10_000;
const stalledIntervalMs = 5_000;
/** Then the tick that should have come next has been lost together with the controller that had taken the one before. */
const overdueMs = 15_000;
/** An order to a server that answers takes milliseconds. */
const closeWithinMs = 2_000;
/** Two hundred services with as many jobs as a spec may hold. */
const maxSchedules = 10_000;

/**
 * BullMQ says when: one scheduler for each job, whose ticks any controller takes. It neither runs missed ticks nor says
 * that a tick is told once only; both are for the claims of the ticks.
 */
export function createJobSchedules({ redisUrl, keyPrefix, logger, onTick }: JobSchedulesOptions): JobSchedules {
  // A blocking read must not time out, and a command of the leader must not wait: two clients, which are shared with nobody.
  const connections = {
    queue: connectRedis(redisUrl, 'coord', { logger: logger.child({ connection: 'jobs' }) }),
    worker: connectRedis(redisUrl, 'pubsub', { logger: logger.child({ connection: 'job-worker' }) }),
  };
  const blocking = catchDuplicates(connections.worker.client);
  const prefix = `{${keyPrefix}}:bull`;
  const settings = { repeatStrategy };
  const queue = new Queue(queueName, {
    connection: connections.queue.client,
    prefix,
    settings,
    skipVersionCheck: true,
    defaultJobOptions: { attempts: 1, removeOnComplete: true, removeOnFail: true },
  });
  const worker = new TickWorker(queueName, async (job) => onTick(job.name, job.opts.prevMillis ?? 0), {
    connection: connections.worker.client,
    prefix,
    settings,
    concurrency,
    lockDuration: lockMs,
    // The check of the version stays on: without it the library waits in whole seconds.
    stalledInterval: stalledIntervalMs,
  });
  queue.on('error', (error) => logger.debug('The queue of jobs is cut off', { error: error.message }));
  worker.on('error', (error) => logger.debug('The worker of jobs is cut off', { error: error.message }));
  worker.on('failed', (job, error) =>
    logger.warn('A tick could not be taken in', { job: job?.name, error: error.message }),
  );

  return {
    async sync(jobs) {
      const present = new Map((await queue.getJobSchedulers(0, maxSchedules)).map((one) => [one.key, one]));
      for (const [name, { spec }] of jobs) {
        const known = present.get(name);
        const isSame = known?.pattern === spec.schedule && (known?.tz ?? 'UTC') === spec.timeZone;
        if (isSame && (known?.next ?? 0) > Date.now() - overdueMs) continue;
        await queue.upsertJobScheduler(name, { pattern: spec.schedule, tz: spec.timeZone }, { name });
      }
      for (const name of present.keys()) if (!jobs.has(name)) await queue.removeJobScheduler(name);
    },
    async close() {
      const closeInOrder = async () => {
        try {
          // Without Redis it would wait for it: then its lock runs out by itself.
          await worker.close(connections.worker.state !== 'ready');
          await queue.close();
        } catch (error) {
          logger.debug('The queue of jobs was not closed in order', { error });
        }
      };
      // A Redis that has just died is not known to be away yet, and would be waited for without an end.
      const isLate = childAbort();
      await Promise.race([closeInOrder(), systemClock.sleep(closeWithinMs, isLate.signal)]);
      isLate.abort();
      // A worker that waits for a server does so without an end, and its clients and timers would keep the process.
      for (const client of blocking) client.disconnect();
      await worker.endTimers();
      await Promise.all(Object.values(connections).map((connection) => connection.close()));
    },
  };
}

class TickWorker extends Worker {
  /** Of the locks on ticks, which the library ends only when all else has ended in order. */
  async endTimers(): Promise<void> {
    await this.lockManager.close();
  }
}

/** The clients that the library makes of this one, and does not give away. */
function catchDuplicates(client: Redis): readonly Redis[] {
  const caught: Redis[] = [];
  const duplicate = client.duplicate.bind(client);
  client.duplicate = (override) => {
    const copy = duplicate(override);
    caught.push(copy);
    return copy;
  };
  return caught;
}

const schedules = new Map<string, Schedule>();
/** Parsed schedules that are kept; past this the memory begins anew. */
const maxParsed = 10_000;

/** The same reading of patterns as that of the claims, in place of the library's own. */
function repeatStrategy(afterMs: number, { pattern = '', tz = 'UTC' }: RepeatOptions): number | undefined {
  const key = `${tz} ${pattern}`;
  let schedule = schedules.get(key);
  if (schedule === undefined) {
    if (schedules.size >= maxParsed) schedules.clear();
    schedule = parseSchedule(pattern, tz);
    schedules.set(key, schedule);
  }
  return schedule.next(afterMs);
}
