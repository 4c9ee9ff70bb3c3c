import { DroverError } from '../../contracts/drover-error.ts';
import type { Coordination } from '../coordination.ts';
import { answerWithin } from '../lease/hold.ts';
import { answerTimeoutMs, type ClaimAnswer } from './claim-run.ts';
import { defineCron } from './cron-definition.ts';
import type { CronOptions, CronSchedule } from './cron-job.ts';
import { cronKeys } from './cron-keys.ts';
import { finishRun, heartbeatRun } from './cron-scripts.ts';
import { DeclaredCron } from './declared-cron.ts';
import { describeResult } from './describe-outcome.ts';
import { nearestTick } from './nearest-tick.ts';
import { StoreTime } from './store-time.ts';

/** A run of somebody who is not in this process: they know their secret and the tick. */
export interface RemoteRun {
  readonly name: string;
  /** The caller's secret; the same again repeats a claim. */
  readonly holder: string;
  readonly tick: number;
}

export interface RemoteClaim extends Pick<CronOptions, 'timeZone' | 'overlap'> {
  readonly name: string;
  readonly schedule: CronSchedule;
  readonly holder: string;
  readonly identity: string;
  /** How long the run is believed in without `extend`, 300 or more. */
  readonly ttlMs: number;
}

/** Cron for participants that speak through someone else, as services over HTTP do. They keep time and run by themselves. */
export interface RemoteRuns {
  /** Declares the job for a minute and claims the tick nearest to now. @throws DroverError ARGUMENT_INVALID, STORE_UNREACHABLE */
  claim(claim: RemoteClaim): Promise<{ readonly tick: number | undefined; readonly answer: ClaimAnswer }>;
  /** @throws DroverError LEASE_LOST, STORE_UNREACHABLE */
  extend(run: RemoteRun, ttlMs: number): Promise<void>;
  /** Records the end; to be repeated until it is answered. @throws DroverError LEASE_LOST, STORE_UNREACHABLE */
  finish(run: RemoteRun, end: RemoteEnd): Promise<void>;
}

export interface RemoteEnd {
  readonly outcome: 'succeeded' | 'failed';
  readonly durationMs: number;
  readonly result?: unknown;
  readonly error?: string | undefined;
}

export function createRemoteRuns(coordination: Coordination): RemoteRuns {
  const { redis, prefix, clock } = coordination;
  const time = new StoreTime(clock);

  async function ask<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answerWithin(answer, answerTimeoutMs, clock);
    } catch (cause) {
      throw unreachable(cause);
    }
  }

  return {
    async claim({ name, schedule, holder, identity, ttlMs, ...options }) {
      const definition = defineCron(name, schedule, { ...options, catchUp: 'none', ttlMs });
      // A participant of its own, so that it is shown as one of the hosts until it has been silent for a minute.
      const remote = { ...coordination, identity, participantId: `remote-${identity}` };
      const declared = new DeclaredCron(remote, time, definition, () => {});
      try {
        const { lastTick } = await declared.declare();
        const tick = nearestTick(definition.schedule, time.nowMs());
        if (tick === undefined) return { tick, answer: { outcome: 'early', remainingMs: 0 } };
        const token = tokenOf({ name, holder, tick });
        const answer = await declared.claim({ tick, trigger: 'schedule', token, lastKnownTick: lastTick, missed: 0 });
        return { tick, answer };
      } catch (cause) {
        throw cause instanceof DroverError ? cause : unreachable(cause);
      }
    },
    async extend(run, ttlMs) {
      const { job } = cronKeys(prefix, run.name);
      const answer = await ask(heartbeatRun.run(redis, [job], [tokenOf(run), ttlMs]));
      if (answer !== 'renewed') throw lost(run);
    },
    async finish(run, { outcome, durationMs, result, error }) {
      const { job, history, requests, wakeChannel } = cronKeys(prefix, run.name);
      const errorJson = error === undefined ? '' : JSON.stringify(error);
      const answer = await ask(
        finishRun.run(
          redis,
          [job, history, requests],
          [tokenOf(run), outcome, durationMs, describeResult(result), errorJson, wakeChannel, run.name, '1'],
        ),
      );
      if (answer !== 'finished') throw lost(run);
    },
  };
}

/** One secret may claim many ticks; each is a run of its own. */
function tokenOf({ holder, tick }: RemoteRun): string {
  return `${holder} ${tick}`;
}

function lost({ name, tick }: RemoteRun): DroverError {
  const message = `The run of ${name} for ${new Date(tick).toISOString()} is not the caller's any more: it took longer than it had said, or has ended. Stop it.`;
  return new DroverError('LEASE_LOST', message, { details: { what: `run of ${name}`, tick } });
}

function unreachable(cause: unknown): DroverError {
  return new DroverError('STORE_UNREACHABLE', 'Redis did not answer. Ask again with the same holder.', { cause });
}
