import { DroverError } from '../../contracts/drover-error.ts';
import type { Coordination } from '../coordination.ts';
import { answerWithin } from '../lease/hold.ts';
import {
  answerTimeoutMs,
  type Claim,
  type ClaimAnswer,
  type ClaimedRun,
  claimRun,
  newClaimToken,
  requireReplicas,
  runIdOf,
} from './claim-run.ts';
import { maxSkewMs } from './claim-ticks.ts';
import type { CronDefinition } from './cron-definition.ts';
import type { CronHandler } from './cron-job.ts';
import { type CronKeys, cronKeys } from './cron-keys.ts';
import { claimRequest, declareJob, passTicks } from './cron-scripts.ts';
import { hostMember, hostTtlMs } from './live-hosts.ts';
import { type RunEnd, type RunInProgress, runClaimed } from './run-claimed.ts';
import type { StoreTime } from './store-time.ts';

/** How the job stood when Redis last answered. */
export interface CronState {
  readonly lastTick: number;
  readonly paused: boolean;
  /** False while a newer definition of the job, by another instance, is in force. */
  readonly isInForce: boolean;
  readonly isAsked: boolean;
}

/** Half of the longest that a run asked for by hand is worth waiting for. */
const maxRequestWaitMs = 600_000;

/** A job as this instance declares it: its talk with Redis, and its runs in progress. When to talk is decided elsewhere. */
export class DeclaredCron {
  readonly definition: CronDefinition;
  readonly keys: CronKeys;
  readonly time: StoreTime;
  readonly runs = new Set<RunInProgress>();
  state: CronState | undefined;
  readonly #coordination: Coordination;
  readonly #handler: CronHandler;
  /** As it is noted among the hosts of the job. */
  readonly #member: string;
  #declaredAt = '';
  #requestToken: string | undefined;

  /** `listens`: the caller keeps a connection on the channel of its participant. */
  constructor(
    coordination: Coordination,
    time: StoreTime,
    definition: CronDefinition,
    handler: CronHandler,
    { listens = false } = {},
  ) {
    this.#coordination = coordination;
    this.time = time;
    this.#handler = handler;
    this.definition = definition;
    this.keys = cronKeys(coordination.prefix, definition.name);
    this.#member = hostMember(coordination.participantId, coordination.identity, listens);
  }

  /** Declares the job, or says again that it is declared here. @throws when Redis does not answer */
  async declare(): Promise<CronState> {
    const { redis, clock, guard } = this.#coordination;
    const { job, jobs, hosts, requests, wakeChannel } = this.keys;
    const { name, text } = this.definition;
    const sentAtMs = clock.monotonicMs();
    const running = declareJob.run(
      redis,
      [job, jobs, hosts, requests],
      [
        ...([name, this.#member, hostTtlMs, text] as const),
        ...([this.#declaredAt, wakeChannel, guard === 'failover' ? '1' : '0'] as const),
      ],
    );
    const [declaredAt, lastTick, paused, isInForce, asked, serverMs] = await answerWithin(
      running,
      answerTimeoutMs,
      clock,
    );
    this.time.learn(Number(serverMs), sentAtMs);
    this.#declaredAt = declaredAt;
    const state = {
      lastTick: Math.max(Number(lastTick), this.state?.lastTick ?? 0),
      paused: paused === 1,
      isInForce: isInForce === 1,
      isAsked: asked === 1,
    };
    this.state = state;
    return state;
  }

  /** Takes back the declaration; the job and its history stay. Never throws. */
  async withdraw(): Promise<void> {
    const { redis, clock } = this.#coordination;
    try {
      await answerWithin(redis.zrem(this.keys.hosts, this.#member), answerTimeoutMs, clock);
    } catch {
      // The word runs out by itself.
    }
  }

  /** Claims a tick and takes in what the answer says of the job. @throws when Redis does not answer */
  async claim(claim: Claim): Promise<ClaimAnswer> {
    let answer = await claimRun(this.#coordination, this, claim);
    // An answer that took so long leaves too little of the time to begin in: the same token asks for the full time again.
    if (answer.outcome === 'claimed' && this.#isLate(answer.run.sentAtMs)) {
      answer = await claimRun(this.#coordination, this, claim);
    }
    switch (answer.outcome) {
      case 'claimed':
        this.advance(answer.run.tick);
        break;
      case 'taken':
      case 'skipped':
        this.advance(answer.lastTick);
        break;
      case 'paused':
        this.#change({ paused: true });
        break;
      case 'superseded':
        this.#change({ isInForce: false });
    }
    return answer;
  }

  #isLate(sentAtMs: number): boolean {
    return this.#coordination.clock.monotonicMs() - sentAtMs > this.definition.ttlMs / 2;
  }

  /** Takes the oldest run that was asked for by hand. @throws when Redis does not answer; call again */
  async claimAsked(): Promise<ClaimedRun | { readonly remainingMs: number } | undefined> {
    const { redis, clock, identity, minReplicas } = this.#coordination;
    const { job, history, requests, wakeChannel } = this.keys;
    const { name, ttlMs, overlap } = this.definition;
    this.#requestToken ??= newClaimToken();
    const token = this.#requestToken;
    const sentAtMs = clock.monotonicMs();
    const running = claimRequest.run(
      redis,
      [job, history, requests],
      [token, ttlMs, overlap, identity, wakeChannel, name, maxRequestWaitMs],
    );
    const reply = await answerWithin(running, answerTimeoutMs, clock);
    this.time.learn(Number(reply[2]), sentAtMs);
    if (reply[0] === 'running') return { remainingMs: Number(reply[1]) };
    if (reply[0] === 'none') {
      this.#change({ isAsked: false });
      return undefined;
    }
    if (minReplicas > 0) await requireReplicas(this.#coordination);
    // As in `claim`: the token is kept, and the next call finds the run to be ours.
    if (this.#isLate(sentAtMs)) return { remainingMs: 0 };
    this.#requestToken = undefined;
    const tick = Number((JSON.parse(reply[3]) as { tick: string }).tick);
    const runId = runIdOf(name, tick, 'manual');
    return { tick, trigger: 'manual', runId, epoch: Number(reply[1]), token, sentAtMs };
  }

  /** Gives up ticks up to and with `upToTick`. @throws when Redis does not answer */
  async pass(upToTick: number, missed: number): Promise<void> {
    const { redis, clock } = this.#coordination;
    const lastKnownTick = this.state?.lastTick ?? 0;
    const running = passTicks.run(
      redis,
      [this.keys.job],
      [upToTick, lastKnownTick, missed, this.definition.text, maxSkewMs],
    );
    const [outcome, lastTick] = await answerWithin(running, answerTimeoutMs, clock);
    if (outcome === 'superseded') this.#change({ isInForce: false });
    else this.advance(Number(lastTick));
  }

  /** Starts the handler; the run is in `runs` until it has ended. */
  start(run: ClaimedRun, handler: CronHandler = this.#handler): RunInProgress {
    return this.track(runClaimed(this.#coordination, this.definition, run, handler));
  }

  track(inProgress: RunInProgress): RunInProgress {
    this.runs.add(inProgress);
    void inProgress.ended.then((end) => {
      this.runs.delete(inProgress);
      this.#logEnd(inProgress.run, end);
    });
    return inProgress;
  }

  #logEnd(run: ClaimedRun, { outcome, error }: RunEnd): void {
    if (outcome === 'succeeded') return;
    this.#coordination.logger.warn('A cron run did not succeed', { run: run.runId, outcome, error });
  }

  advance(tick: number): void {
    if (this.state !== undefined && tick > this.state.lastTick) this.#change({ lastTick: tick });
  }

  #change(change: Partial<CronState>): void {
    if (this.state !== undefined) this.state = { ...this.state, ...change };
  }

  /** Lets the runs end within `graceMs`, then aborts them and waits a little more. */
  async endRuns(graceMs: number): Promise<void> {
    const { clock } = this.#coordination;
    await this.#runsEnded(graceMs);
    const message = `The cron job ${this.definition.name} was closed on this instance. Stop the run.`;
    const details = { what: `cron ${this.definition.name}`, reason: 'closed' };
    for (const run of this.runs) run.abort(new DroverError('LEASE_LOST', message, { details }));
    await this.#runsEnded(Math.min(graceMs, abortedWithinMs));
    if (this.runs.size > 0) this.#coordination.logger.error('A cron run ignores its signal', { at: clock.nowMs() });
  }

  async #runsEnded(withinMs: number): Promise<void> {
    if (this.runs.size === 0) return;
    const ended = new AbortController();
    const late = this.#coordination.clock.sleep(withinMs, ended.signal);
    await Promise.race([late, Promise.all([...this.runs].map((run) => run.ended))]);
    ended.abort();
  }
}

/** A handler that heeds its signal has ended by then. */
const abortedWithinMs = 5000;
