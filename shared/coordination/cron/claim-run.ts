import { randomUUID } from 'node:crypto';

import type { Coordination } from '../coordination.ts';
import { answerWithin } from '../lease/hold.ts';
import { claimTogether, maxSkewMs } from './claim-ticks.ts';
import type { CronDefinition } from './cron-definition.ts';
import type { CronTrigger } from './cron-job.ts';
import type { CronKeys } from './cron-keys.ts';
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

/** The job as this instance declares it. */
export interface ClaimingJob {
  readonly definition: CronDefinition;
  readonly keys: CronKeys;
  readonly time: StoreTime;
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
export async function claimRun(coordination: Coordination, job: ClaimingJob, claim: Claim): Promise<ClaimAnswer> {
  const { redis, clock, minReplicas, guard } = coordination;
  const { definition, keys, time } = job;
  const { name, ttlMs } = definition;
  const { tick, trigger, token } = claim;
  const about = `{"tick":"${tick}","trigger":"${trigger}","identity":${JSON.stringify(coordination.identity)}}`;
  const sentAtMs = clock.monotonicMs();
  // What happens at nearly every tick is kept cheap: the client's own timeout bounds it.
  const isPlain = claim.missed === 0 && guard === 'data';
  const quick = isPlain
    ? await claimTogether(redis, { job: keys.job, tick, token, definition: definition.text, ttlMs, about })
    : undefined;
  const [outcome, value, serverMs] =
    quick === undefined || quick[0] === 'unsettled' ? await settle(coordination, job, claim, about) : quick;
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

function settle({ redis, guard }: Coordination, { definition, keys }: ClaimingJob, claim: Claim, about: string) {
  const { name, ttlMs, overlap, text } = definition;
  const { tick, token, lastKnownTick, missed } = claim;
  const guardsFailover = guard === 'failover' ? '1' : '0';
  return settleTick.run(
    redis,
    [keys.job, keys.history],
    [
      ...([tick, token, text, ttlMs, overlap, maxSkewMs, about, lastKnownTick, missed] as const),
      ...([keys.wakeChannel, name, guardsFailover] as const),
    ],
  );
}

/** A claim that no replica has can be made again after a failover: it is as good as unanswered until they have it. */
export async function requireReplicas({ redis, minReplicas, clock }: Coordination): Promise<void> {
  const acknowledged = await answerWithin(redis.wait(minReplicas, answerTimeoutMs / 2), answerTimeoutMs, clock);
  if (acknowledged < minReplicas) throw new Error(`Only ${acknowledged} of ${minReplicas} replicas have the claim`);
}
