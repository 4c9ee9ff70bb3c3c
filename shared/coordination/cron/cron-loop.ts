import type { Coordination } from '../coordination.ts';
import { type Claim, type ClaimAnswer, newClaimToken, runIdOf } from './claim-run.ts';
import type { CronHandler } from './cron-job.ts';
import type { DeclaredCron } from './declared-cron.ts';
import { planTick } from './plan-tick.ts';
import { runWithoutStore } from './run-without-store.ts';
import type { StoreTime } from './store-time.ts';

export interface CronLoop {
  /** The next tick as this instance sees it; undefined while it will claim none. */
  readonly nextTick: number | undefined;
  readonly ready: Promise<void>;
  /** Looks again now; with `isStale` it reads the job's state first. */
  wake(isStale: boolean): void;
  /** No timers are left afterwards. Runs in progress are not touched. */
  close(): Promise<void>;
}

/** A change whose message was lost is seen by then; and the clock of Redis is heard often enough to time ticks by. */
const refreshMs = 20_000;
/** After a call that had no answer. A tick is late by so much once Redis is back. */
const retryMs = 100;
/** How long a tick waits for Redis before it runs without it, where that is wanted. */
export const storeDownAfterMs = 2000;
/** A timer of someone else that has not come by then will not: the tick is caught up with. */
const callerGraceMs = 5000;

interface LoopParts {
  readonly coordination: Coordination;
  readonly time: StoreTime;
  readonly declared: DeclaredCron;
  readonly handler: CronHandler;
  /** Whether someone else says when ticks are due (`runTick`). Then only what is late is claimed here. */
  readonly isTimedByCaller: boolean;
}

/** Claims the ticks of one job as they fall due, one step at a time, until closed. */
export function runCronLoop({ coordination, time, declared, handler, isTimedByCaller }: LoopParts): CronLoop {
  const { clock, logger } = coordination;
  const { definition } = declared;
  const closing = new AbortController();
  const known = Promise.withResolvers<void>();
  let rested = new AbortController();
  let isWoken = false;
  let refreshAtMs = clock.monotonicMs();
  let pending: Claim | undefined;
  /** Redis is down and ticks run without it: the last that was due. */
  let passedAlone: number | undefined;
  const startedAtMs = clock.nowMs();

  /** One look at the job. Answers how long there is nothing to do, in ms. */
  async function step(): Promise<number> {
    if (declared.state === undefined || clock.monotonicMs() >= refreshAtMs) {
      await declared.declare();
      refreshAtMs = clock.monotonicMs() + refreshMs;
      known.resolve();
    }
    if (passedAlone !== undefined) {
      await declared.pass(passedAlone, 0);
      passedAlone = undefined;
    }
    if (pending !== undefined) return await claim(pending);
    const state = declared.state!;
    if (state.isAsked) {
      const taken = await declared.claimAsked();
      if (taken !== undefined && 'remainingMs' in taken) return Math.min(taken.remainingMs, untilRefresh());
      if (taken !== undefined) declared.start(taken);
      return 0;
    }
    if (!state.isInForce || state.paused) return untilRefresh();

    const { schedule, catchUp } = definition;
    const nowMs = time.nowMs() - (isTimedByCaller ? callerGraceMs : 0);
    const plan = planTick({ schedule, lastTick: state.lastTick, nowMs, catchUp });
    switch (plan.verb) {
      case 'wait':
        return Math.min((plan.untilMs ?? Number.POSITIVE_INFINITY) - nowMs, untilRefresh());
      case 'pass':
        await declared.pass(plan.upToTick, plan.missed);
        return 0;
      case 'claim':
        pending = { ...plan, token: newClaimToken(), lastKnownTick: state.lastTick };
        if (isTimedByCaller) pending = { ...pending, trigger: 'catch-up' };
        return await claim(pending);
    }
  }

  async function claim(wanted: Claim): Promise<number> {
    const answer: ClaimAnswer = await declared.claim(wanted);
    switch (answer.outcome) {
      case 'early':
        return answer.remainingMs;
      case 'running':
        // The tick may be taken by hand or time out of its window meanwhile: it is planned anew.
        pending = undefined;
        return Math.min(answer.remainingMs, untilRefresh());
      case 'claimed':
        pending = undefined;
        declared.start(answer.run);
        return 0;
      default:
        pending = undefined;
        return 0;
    }
  }

  function untilRefresh(): number {
    return Math.max(0, refreshAtMs - clock.monotonicMs());
  }

  /** Redis did not answer. Answers how long to rest before the next try. */
  function withoutStore(): number {
    if (isTimedByCaller || definition.onStoreDown !== 'run') return retryMs;
    if (declared.state?.paused || declared.state?.isInForce === false) return retryMs;
    const lastTick = Math.max(passedAlone ?? 0, declared.state?.lastTick ?? startedAtMs);
    const nowMs = time.nowMs() - storeDownAfterMs;
    const plan = planTick({ schedule: definition.schedule, lastTick, nowMs, catchUp: 'none' });
    if (plan.verb === 'wait') return retryMs;
    passedAlone = plan.verb === 'claim' ? plan.tick : plan.upToTick;
    pending = undefined;
    if (plan.verb === 'claim') {
      const runId = runIdOf(definition.name, plan.tick, 'schedule');
      logger.warn('A cron run starts without Redis', { run: runId });
      runWithoutStore(coordination, declared, plan.tick, handler);
    }
    return retryMs;
  }

  async function rest(ms: number): Promise<void> {
    if (ms > 0 && !isWoken) await clock.sleep(ms, rested.signal);
    rested = new AbortController();
    isWoken = false;
  }

  async function turn(): Promise<void> {
    while (!closing.signal.aborted) {
      let restMs: number;
      try {
        restMs = await step();
      } catch (error) {
        logger.debug('A cron job had no answer', { job: definition.name, error });
        restMs = withoutStore();
        isWoken = false;
      }
      await rest(restMs);
    }
  }

  function wake(isStale: boolean): void {
    if (isStale) refreshAtMs = clock.monotonicMs();
    isWoken = true;
    rested.abort();
  }

  const finished = turn();
  return {
    get nextTick() {
      const { state } = declared;
      if (state === undefined || state.paused || !state.isInForce) return undefined;
      return definition.schedule.next(state.lastTick);
    },
    ready: known.promise,
    wake,
    async close() {
      closing.abort();
      wake(false);
      await finished;
    },
  };
}
