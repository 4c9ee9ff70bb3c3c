import { DroverError } from '../../contracts/drover-error.ts';
import type { Coordination } from '../coordination.ts';
import { answerWithin } from '../lease/hold.ts';
import { answerTimeoutMs, runIdOf } from './claim-run.ts';
import type { DeclaredCron as Declared } from './cron-definition.ts';
import type { CronOutcome, CronRecord, CronTrigger, CronView } from './cron-job.ts';
import { cronKeys } from './cron-keys.ts';
import { pauseJob, requestRun } from './cron-scripts.ts';
import { liveHosts } from './live-hosts.ts';
import { parseSchedule } from './schedule.ts';

/** What anyone may see and do about the jobs under a prefix, whether it declares them or not. */
export interface CronRecords {
  /** All jobs, by name. @throws DroverError STORE_UNREACHABLE */
  list(): Promise<CronView[]>;
  /** @throws DroverError CRON_NOT_FOUND, STORE_UNREACHABLE */
  get(name: string): Promise<CronView>;
  /** The last runs, newest first; 100 are kept. @throws DroverError CRON_NOT_FOUND, STORE_UNREACHABLE */
  history(name: string, options?: { readonly limit?: number }): Promise<CronRecord[]>;
  /** No tick is claimed until it is resumed; a run in progress goes on. @throws DroverError CRON_NOT_FOUND, STORE_UNREACHABLE */
  pause(name: string): Promise<void>;
  /** Ticks of the pause are not made up for. @throws DroverError CRON_NOT_FOUND, STORE_UNREACHABLE */
  resume(name: string): Promise<void>;
  /**
   * Asks for a run now: one live instance that declares the job takes it, also while the job is paused, after the run in
   * progress if there is one (with `replace`, instead of it). Unclaimed for ten minutes it is dropped. Answers the run's id.
   * @throws DroverError CRON_NOT_FOUND, STATE_CONFLICT when ten wait already, STORE_UNREACHABLE
   */
  trigger(name: string): Promise<string>;
  /** Forgets a job that no live instance declares, with its history. @throws DroverError STATE_CONFLICT, STORE_UNREACHABLE */
  remove(name: string): Promise<void>;
}

/** Someone who clicks more often than that wants something else. */
const maxRequests = 10;
/** As many as the scripts keep. */
const maxHistory = 100;

export function createCronRecords(coordination: Coordination): CronRecords {
  const { redis, prefix, clock } = coordination;
  const wakeChannel = cronKeys(prefix, '').wakeChannel;

  async function ask<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answerWithin(answer, answerTimeoutMs, clock);
    } catch (cause) {
      throw new DroverError('STORE_UNREACHABLE', 'Redis did not answer; nothing is known to have changed. Try again.', {
        cause,
      });
    }
  }

  async function view(name: string): Promise<CronView | undefined> {
    const keys = cronKeys(prefix, name);
    const [job, members, asked, [seconds, micros]] = await ask(
      Promise.all([
        redis.hgetall(keys.job),
        redis.zrange(keys.hosts, '0', '-1', 'WITHSCORES'),
        redis.llen(keys.requests),
        redis.time(),
      ]),
    );
    if (job.definition === undefined) return undefined;
    const nowMs = Number(seconds) * 1000 + Number(micros) / 1000;
    return { name, ...standing(name, job), asked, hosts: await liveHosts(coordination, members, nowMs) };
  }

  async function setPaused(name: string, paused: '0' | '1'): Promise<void> {
    const done = await ask(pauseJob.run(redis, [cronKeys(prefix, name).job], [paused, wakeChannel, name]));
    if (done === 0) throw notFound(name);
  }

  async function get(name: string): Promise<CronView> {
    const found = await view(name);
    if (found === undefined) throw notFound(name);
    return found;
  }

  return {
    get,
    async list() {
      const names = await ask(redis.smembers(cronKeys(prefix, '').jobs));
      const views: CronView[] = [];
      for (const name of names.sort()) {
        const found = await view(name);
        if (found !== undefined) views.push(found);
      }
      return views;
    },
    async history(name, { limit = maxHistory } = {}) {
      const keys = cronKeys(prefix, name);
      const [lines, isKnown] = await ask(
        Promise.all([
          redis.lrange(keys.history, 0, Math.min(limit, maxHistory) - 1),
          redis.hexists(keys.job, 'definition'),
        ]),
      );
      if (isKnown === 0 && lines.length === 0) throw notFound(name);
      return limit < 1 ? [] : lines.map((line) => readRecord(name, line));
    },
    pause: (name) => setPaused(name, '1'),
    resume: (name) => setPaused(name, '0'),
    async trigger(name) {
      const keys = cronKeys(prefix, name);
      const [outcome, instant] = await ask(
        requestRun.run(redis, [keys.job, keys.requests], [wakeChannel, name, maxRequests]),
      );
      if (outcome === 'unknown') throw notFound(name);
      if (outcome === 'full') {
        const message = `${maxRequests} runs of ${name} wait already. Let them run first.`;
        throw new DroverError('STATE_CONFLICT', message, { details: { name } });
      }
      return runIdOf(name, Number(instant), 'manual');
    },
    async remove(name) {
      const found = await view(name);
      if (found !== undefined && found.hosts.length > 0) {
        const message = `The cron job ${name} is declared by ${found.hosts.join(', ')}. Stop declaring it first.`;
        throw new DroverError('STATE_CONFLICT', message, { details: { name } });
      }
      const { job, history, hosts, requests, jobs } = cronKeys(prefix, name);
      await ask(Promise.all([redis.del(job, history, hosts, requests), redis.srem(jobs, name)]));
    },
  };
}

function standing(name: string, job: Record<string, string>): Omit<CronView, 'name' | 'asked' | 'hosts'> {
  const { schedule, timeZone, overlap } = JSON.parse(job.definition!) as Declared;
  const lastTick = Number(job.lastTick);
  const paused = job.paused === '1';
  const next = paused ? undefined : parseSchedule(schedule, timeZone).next(lastTick);
  return {
    ...{ schedule, timeZone, overlap, paused },
    nextTickAt: next === undefined ? undefined : new Date(next),
    lastTickAt: new Date(lastTick),
    running: job.token === undefined || job.token === '' ? null : runningOf(name, job),
    missed: Number(job.missed ?? 0),
  };
}

interface About {
  readonly tick: string;
  readonly trigger: CronTrigger;
  readonly identity: string;
}

function runningOf(name: string, job: Record<string, string>): CronView['running'] {
  const { tick, trigger, identity } = JSON.parse(job.about!) as About;
  const runId = runIdOf(name, Number(tick), trigger);
  return {
    identity,
    since: new Date(Math.floor(Number(job.epoch) / 1000)),
    tick: new Date(Number(tick)),
    runId,
    token: Number(job.epoch),
  };
}

interface Line {
  readonly outcome: CronOutcome;
  readonly epoch: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly durationMs?: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly run: About;
}

function readRecord(name: string, line: string): CronRecord {
  const { outcome, epoch, startedAtMs, endedAtMs, durationMs, result, error, run } = JSON.parse(line) as Line;
  return {
    runId: runIdOf(name, Number(run.tick), run.trigger),
    tick: new Date(Number(run.tick)),
    trigger: run.trigger,
    identity: run.identity,
    token: Number(epoch),
    startedAt: new Date(startedAtMs),
    durationMs: durationMs ?? endedAtMs - startedAtMs,
    outcome,
    ...(result === undefined ? {} : { result }),
    ...(error === undefined ? {} : { error }),
  };
}

function notFound(name: string): DroverError {
  const message = `No cron job ${name} is declared. Start an instance that declares it, or list the jobs for their names.`;
  return new DroverError('CRON_NOT_FOUND', message, { details: { name } });
}
