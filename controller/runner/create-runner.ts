import type { Redis } from 'ioredis';
import { isDroverError } from '../../shared/contracts/drover-error.ts';
import type { LeaderAction } from '../../shared/contracts/leader-action.ts';
import type { Coordination } from '../../shared/coordination/coordination.ts';
import { type Campaign, campaign } from '../../shared/coordination/election/election.ts';
import { createWakeUps } from '../../shared/coordination/wake-ups.ts';
import { electionPrefix } from '../../shared/redis/keys.ts';
import { leaderElection } from '../../shared/redis/store/create-store.ts';
import type { Store } from '../../shared/redis/store/store.ts';
import type { Clock } from '../../shared/runtime/clock.ts';
import { failpoint } from '../../shared/runtime/failpoint.ts';
import type { Logger } from '../../shared/runtime/logger.ts';
import { createLoop } from '../../shared/runtime/loop.ts';
import type { Reconcile } from './reconcile.ts';

export interface RunnerOptions {
  readonly store: Store;
  /** Of the `coord` profile, for the lease; not the store's own, so that a large read cannot hold a renewal up. */
  readonly redis: Redis;
  /** Of the `pubsub` profile, to follow a leader that leaves at once. */
  readonly subscriber: Redis;
  /** As given to the store. */
  readonly prefix: string;
  readonly controllerId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Makes the decision of one term: it holds the term's memory. */
  readonly createReconcile: () => Reconcile;
  readonly ttlMs?: number;
  /** As of a participant: for a Redis that fails over. Default `data` and none. */
  readonly guard?: Coordination['guard'];
  readonly minReplicas?: number;
}

export interface RunnerStatus {
  /** The term held here now; null while another leads. */
  readonly term: number | null;
  /** Actions that this process has applied, in all its terms. */
  readonly applied: number;
  /** Whether the last look at the store failed. */
  readonly storeDown: boolean;
}

export interface Runner {
  start(): void;
  /** Gives leadership up, so that another takes over at once, and waits for the step in progress. */
  close(): Promise<void>;
  isLeader(): boolean;
  status(): RunnerStatus;
}

/** Changes that arrive within it share one pass. Short: it is part of the time that a deploy takes. */
const debounceMs = 20;
/** Heartbeats and timers wake nobody, so the leader looks by itself this often. */
const intervalMs = 500;
/** Passes in one run; what is left then goes on in the next run, in which a refused placement is tried anew. */
const maxPasses = 50;

/** Stands for leader and, while leading, brings what is towards what should be: read, decide, apply one step at a time. */
export function createRunner(options: RunnerOptions): Runner {
  const { store, controllerId, clock, logger, createReconcile } = options;
  const actor = `leader:${controllerId}`;
  const closed = new AbortController();
  let standing: Campaign | undefined;
  let applied = 0;
  let storeDown = false;

  async function lead(term: number, signal: AbortSignal, assertHeld: () => void): Promise<void> {
    const reconcile = createReconcile();
    const over = Promise.withResolvers<void>();
    let storeResumed = false;
    let appliedSinceLook: LeaderAction[] = [];
    await tell('leader.elected', `term ${term}`, { term });

    async function pass(refused: Set<string>): Promise<'settled' | 'again'> {
      const snapshot = await store.leader.snapshot();
      if (storeDown) {
        storeDown = false;
        storeResumed = true;
        await tell('store.recovered', 'Redis answers again', {});
      }
      const actions = reconcile({ snapshot, nowMs: clock.monotonicMs(), storeResumed, applied: appliedSinceLook });
      storeResumed = false;
      appliedSinceLook = [];
      for (const action of actions) {
        if (refused.has(placementOf(action))) continue;
        if (signal.aborted) return 'settled';
        assertHeld();
        failpoint(`runner.before-apply.${action.type}`);
        const fits = await store.leader.apply(term, controllerId, action);
        failpoint(`runner.after-apply.${action.type}`);
        if (!fits) {
          logger.debug('An action does not fit; reading again', { action: action.type });
          if (action.type === 'createInstance') refused.add(placementOf(action));
          return 'again';
        }
        applied++;
        appliedSinceLook.push(action);
      }
      return appliedSinceLook.length > 0 ? 'again' : 'settled';
    }

    const loop = createLoop(
      async () => {
        // A node without a free port refuses each time: tried once in a run, so that nothing else waits behind it.
        const refused = new Set<string>();
        for (let count = 0; count < maxPasses && !signal.aborted; count++) {
          if ((await pass(refused)) === 'settled') return;
        }
        loop.wake();
      },
      {
        debounceMs,
        intervalMs,
        clock,
        onError(error) {
          if (isDroverError(error) && error.code === 'LEASE_LOST') over.resolve();
          else if (isDroverError(error) && error.code === 'STORE_UNREACHABLE') storeDown = true;
          else logger.error('A pass of the leader failed; the next one starts over', { error });
        },
      },
    );
    const forget = store.onWake(() => loop.wake());
    signal.addEventListener('abort', () => over.resolve(), { once: true });
    if (signal.aborted) over.resolve();
    await over.promise;
    forget();
    await loop.close();
  }

  /** Events tell people; an event that cannot be written must not keep the leader from leading. */
  async function tell(
    type: 'leader.elected' | 'leader.resigned' | 'store.recovered',
    reason: string,
    data: Record<string, unknown>,
  ): Promise<void> {
    try {
      await store.events.append({ type, actor, reason, data: { controllerId, ...data } });
    } catch (error) {
      logger.warn('An event could not be written', { type, error });
    }
  }

  return {
    start() {
      standing ??= campaign({
        redis: options.redis,
        wakeUps: createWakeUps(options.subscriber, closed.signal, logger),
        name: leaderElection,
        prefix: electionPrefix(options.prefix),
        identity: controllerId,
        clock,
        logger,
        guard: options.guard ?? 'data',
        minReplicas: options.minReplicas ?? 0,
        ...(options.ttlMs === undefined ? {} : { ttlMs: options.ttlMs }),
        onElected: lead,
        onLost: (term, reason) => {
          logger.info('The term is over', { term, reason });
          if (reason === 'unreachable') storeDown = true;
        },
      });
    },
    async close() {
      const term = standing?.term;
      await standing?.close();
      closed.abort();
      if (term !== undefined) await tell('leader.resigned', 'the controller is stopping', { term });
    },
    isLeader: () => standing?.term !== undefined,
    status: () => ({ term: standing?.term ?? null, applied, storeDown }),
  };
}

/** What a placement is about, whatever the id of its instance; empty for any other action. */
function placementOf(action: LeaderAction): string {
  if (action.type !== 'createInstance') return '';
  const { service, slot, target, nodeId } = action;
  return `${service}/${slot}/${target.revision}/${target.generation}/${nodeId}`;
}
