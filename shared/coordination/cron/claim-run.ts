import { randomUUID } from 'node:crypto';

import type { Coordination } from '../coordination.ts';
import { answerWithin } from '../lease/hold.ts';
import { claimTogether, maxSkewMs } from './claim-ticks.ts';
import type { CronDefinition } from './cron-definition.ts';
import type { CronTrigger } from './cron-job.ts';
import { cronKeys } from './cron-keys.ts';
import { settleTick } from './cron-scripts.ts';
import type { StoreTime } from './store-time.ts';

/** On the same network an answer takes a few milliseconds; a claim that has none is repeated with its token. */
export const answerTimeoutMs = 1000;

/** A run that is ours. */
export interface ClaimedRun {
  readonly tick: number;
  readonly trigger: CronTrigger;
  readonly runId: string;
  readonly epoch: number;
  /** Proves to Redis that the run is ours. */
  readonly token: string;
  /** When the claim was sent, by the monotonic clock. */
  readonly sentAtMs: number;
}

export type ClaimAnswer =
  | { readonly outcome: 'claimed'; readonly run: ClaimedRun }
  | { readonly outcome: 'early' | 'running'; readonly remainingMs: number }
  | { readonly outcome: 'taken' | 'skipped'; readonly lastTick: number }
  | { readonly outcome: 'paused' | 'superseded' };

export interface Claim {
  readonly tick: number;
  readonly trigger: CronTrigger;
  /** The same for all tries at one tick, so that a claim whose answer was lost is found to be ours. */
  readonly token: string;
  readonly lastKnownTick: number;
  readonly missed: number;
}

export function newClaimToken(): string {
  return randomUUID();
}

export function runIdOf(job: string, tick: number, trigger: CronTrigger): string {
  return `${job}@${new Date(tick).toISOString()}${trigger === 'manual' ? '.manual' : ''}`;
}

/**
 * Claims a tick (protocol P3): of all claims of one tick, by whatever instance and however often repeated, one token gets
 * it. What holds after Redis has lost its data: what was due by then is not claimed any more. After a failover, or a
 * restart that lost the last second, the same holds with the guard `failover`; without it, claims that the data lacks can
 * be made again, and `minReplicas` acknowledged claims are only lost with their replicas.
 * @throws the client's error when there is no answer within its command timeout; repeat it with the same token
 */
export async function claimRun(
  coordination: Coordination,
  time: StoreTime,
  definition: CronDefinition,
  claim: Claim,
): Promise<ClaimAnswer> {
  const { redis, prefix, clock, identity, minReplicas, guard } = coordination;
  const { name, ttlMs, overlap, text } = definition;
  const { tick, trigger, token, lastKnownTick, missed } = claim;
  const keys = cronKeys(prefix, name);
  const about = `{"tick":"${tick}","trigger":"${trigger}","identity":${JSON.stringify(identity)}}`;
  const sentAtMs = clock.monotonicMs();
  const settle = () => {
    const guardsFailover = guard === 'failover' ? '1' : '0';
    return settleTick.run(
      redis,
      [keys.job, keys.history],
      [
        ...([tick, token, text, ttlMs, overlap, maxSkewMs, about, lastKnownTick, missed] as const),
        ...([keys.wakeChannel, name, guardsFailover] as const),
      ],
    );
  };
  // What happens at nearly every tick is kept cheap: the client's own timeout bounds it.
  const isPlain = missed === 0 && guard === 'data';
  const quick = isPlain
    ? await claimTogether(redis, { job: keys.job, tick, token, definition: text, ttlMs, about })
    : undefined;
  const [outcome, value, serverMs] = quick === undefined || quick[0] === 'unsettled' ? await settle() : quick;
  time.learn(Number(serverMs), sentAtMs);
  switch (outcome) {
    case 'claimed': {
      if (minReplicas > 0) await requireReplicas(coordination);
      const run = { tick, trigger, runId: runIdOf(name, tick, trigger), epoch: Number(value), token, sentAtMs };
      return { outcome, run };
    }
    case 'early':
    case 'running':
      return { outcome, remainingMs: Number(value) };
    case 'taken':
    case 'skipped':
      return { outcome, lastTick: Number(value) };
    case 'paused':
    case 'superseded':
      return { outcome };
  }
}

/** A claim that no replica has can be made again after a failover: it is as good as unanswered until they have it. */
export async function requireReplicas({ redis, minReplicas, clock }: Coordination): Promise<void> {
  const acknowledged = await answerWithin(redis.wait(minReplicas, answerTimeoutMs / 2), answerTimeoutMs, clock);
  if (acknowledged < minReplicas) throw new Error(`Only ${acknowledged} of ${minReplicas} replicas have the claim`);
}
