import type { Redis } from 'ioredis';

import { sendTogether } from '../send-together.ts';
import { claimTicks } from './cron-scripts.ts';

export interface TickClaim {
  /** Key of the job. */
  readonly job: string;
  readonly tick: number;
  readonly token: string;
  readonly definition: string;
  readonly ttlMs: number;
  /** The run as JSON, for people. */
  readonly about: string;
}

/** `unsettled`: nothing has changed, and `settleTick` has the answer. */
export type TickReply =
  | readonly [outcome: 'claimed' | 'early' | 'taken', value: string, serverMs: string]
  | readonly [outcome: 'unsettled', value: '', serverMs: string];

/**
 * How early a tick may be claimed, by the clock of Redis: timers and estimates of that clock err by less, and nobody
 * should find that a run began visibly before its instant.
 */
export const maxSkewMs = 5;
/** One script holds up everyone else in Redis: with so many claims for a tenth of a millisecond. */
const maxTogether = 16;

const claimsOf = new WeakMap<Redis, (claim: TickClaim) => Promise<TickReply>>();

/**
 * Claims a tick where nothing stands in the way (protocol P3), together with the others that are claimed in the same turn of
 * this process: at the full minute most jobs are due, and a script for each would cost several times as much. Each claim
 * stands for itself; where the script of all fails they are `unsettled`.
 * @throws the client's error when there is no answer; it is not known then whether the tick was claimed
 */
export function claimTogether(redis: Redis, claim: TickClaim): Promise<TickReply> {
  let claimOne = claimsOf.get(redis);
  if (claimOne === undefined) {
    // Each job has a timer of its own.
    claimOne = sendTogether(maxTogether, (claims) => claimAll(redis, claims), setImmediate);
    claimsOf.set(redis, claimOne);
  }
  return claimOne(claim);
}

async function claimAll(redis: Redis, claims: readonly TickClaim[]): Promise<TickReply[]> {
  const args: [maxSkewMs: number, ...claims: (string | number)[]] = [maxSkewMs];
  for (const { job, tick, token, definition, ttlMs, about } of claims) {
    args.push(job, tick, token, definition, ttlMs, about);
  }
  try {
    const reply = await claimTicks.run(redis, [], args);
    const [serverMs] = reply;
    return claims.map((_, index) => [reply[2 * index + 1], reply[2 * index + 2], serverMs] as TickReply);
  } catch (error) {
    // One of the keys is not what it should be: that shall be its own job's failure only.
    if (error instanceof Error && error.name === 'ReplyError') return claims.map(() => ['unsettled', '', '']);
    throw error;
  }
}
