import type { Coordination } from '../../shared/coordination/coordination.ts';
import { type Claim, type ClaimedRun, newClaimToken } from '../../shared/coordination/cron/claim-run.ts';
import type { CronHandler } from '../../shared/coordination/cron/cron-job.ts';
import { DeclaredCron } from '../../shared/coordination/cron/declared-cron.ts';
import { planTick } from '../../shared/coordination/cron/plan-tick.ts';
import type { StoreTime } from '../../shared/coordination/cron/store-time.ts';
import type { ActiveJob } from './active-jobs.ts';

export interface JobTickerOptions {
  readonly coordination: Coordination;
  readonly time: StoreTime;
  readonly active: ActiveJob;
  /** Of a job that is a request. */
  readonly request: CronHandler;
  /** Of a job that is a process: has it placed. It records the end itself, and never rejects. */
  readonly startProcess: (active: ActiveJob, claimed: ClaimedRun) => Promise<void>;
}

/** More ticks than this are not made up for in one look; the next one goes on. */
const maxSteps = 200;
/** A clock that is ahead is told when the tick is due; further ahead than this the next look will do. */
const maxEarlyMs = 2_000;

/** Claims what is due of one job whenever it is told to look, and starts what it has claimed. */
export class JobTicker {
  readonly #options: JobTickerOptions;
  readonly #declared: DeclaredCron;
  #looking: Promise<void> | null = null;
  #lookAgain = false;
  #isStale = true;
  #dueAtMs = 0;
  #pending: Claim | undefined;
  readonly #starting = new Set<Promise<void>>();
  #closed = false;

  constructor(options: JobTickerOptions) {
    this.#options = options;
    const { coordination, time, active, request } = options;
    this.#declared = new DeclaredCron(coordination, time, active.definition, request);
  }

  /**
   * Looks now, or once more after the look in progress; `isStale` reads the job's state first, `dueAtMs` is the tick that
   * is said to be due. Rejects without Redis.
   */
  async look(isStale: boolean, dueAtMs = 0): Promise<void> {
    if (this.#closed) return;
    this.#dueAtMs = Math.max(this.#dueAtMs, dueAtMs);
    this.#isStale ||= isStale;
    this.#lookAgain = true;
    this.#looking ??= this.#lookAll().finally(() => {
      this.#looking = null;
    });
    await this.#looking;
  }

  /** Another run may have taken the place of one that is under way here. */
  checkRuns(): void {
    for (const run of this.#declared.runs) run.check();
  }

  /** Claims nothing any more; requests under way may end within `graceMs`. Never throws. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    await this.#looking?.catch(() => {});
    await Promise.all(this.#starting);
    await this.#declared.endRuns(graceMs);
    await this.#declared.withdraw();
  }

  async #lookAll(): Promise<void> {
    while (this.#lookAgain && !this.#closed) {
      this.#lookAgain = false;
      for (let step = 0; step < maxSteps && !this.#closed; step += 1) {
        if ((await this.#step()) === 'done') break;
      }
    }
  }

  async #step(): Promise<'again' | 'done'> {
    const declared = this.#declared;
    const { time, active } = this.#options;
    if (this.#isStale || declared.state === undefined) {
      this.#isStale = false;
      await declared.declare();
    }
    if (this.#pending !== undefined) return this.#claim(this.#pending);
    const state = declared.state!;
    if (!state.isInForce) return 'done';
    if (state.isAsked) {
      const taken = await declared.claimAsked();
      if (taken !== undefined && 'remainingMs' in taken) return 'done';
      if (taken !== undefined) this.#start(taken);
      return 'again';
    }
    if (state.paused) return 'done';
    const { schedule, catchUp } = active.definition;
    const plan = planTick({ schedule, lastTick: state.lastTick, nowMs: time.nowMs(), catchUp });
    switch (plan.verb) {
      case 'wait':
        return this.#waitFor(plan.untilMs);
      case 'pass':
        await declared.pass(plan.upToTick, plan.missed);
        return 'again';
      case 'claim':
        this.#pending = { ...plan, token: newClaimToken(), lastKnownTick: state.lastTick };
        return this.#claim(this.#pending);
    }
  }

  /** Who tells of ticks has a clock of its own: a tick that is not due yet by that of Redis is waited for, not forgotten. */
  async #waitFor(tick: number | undefined): Promise<'again' | 'done'> {
    if (tick === undefined || tick > this.#dueAtMs) return 'done';
    const { coordination, time } = this.#options;
    const earlyMs = tick - time.nowMs();
    if (earlyMs > maxEarlyMs || coordination.signal.aborted) return 'done';
    await coordination.clock.sleep(Math.max(1, earlyMs), coordination.signal);
    return 'again';
  }

  /** A claim that has no answer stays: the next look repeats it with its token. */
  async #claim(claim: Claim): Promise<'again' | 'done'> {
    const { clock, signal } = this.#options.coordination;
    const answer = await this.#declared.claim(claim);
    if (answer.outcome === 'early' && answer.remainingMs <= maxEarlyMs) {
      await clock.sleep(answer.remainingMs, signal);
      return 'again';
    }
    this.#pending = undefined;
    if (answer.outcome === 'claimed') this.#start(answer.run);
    // Behind a run in progress: its end is told.
    return answer.outcome === 'running' || answer.outcome === 'early' ? 'done' : 'again';
  }

  #start(claimed: ClaimedRun): void {
    const { active, startProcess } = this.#options;
    if (active.spec.run.type === 'http') {
      this.#declared.start(claimed);
      return;
    }
    const started = startProcess(active, claimed).finally(() => this.#starting.delete(started));
    this.#starting.add(started);
  }
}
