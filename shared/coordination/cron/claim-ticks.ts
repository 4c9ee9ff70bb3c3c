import type { Redis } from 'ioredis';

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

interface Waiting {
  readonly claim: TickClaim;
  resolve(reply: TickReply): void;
  reject(error: unknown): void;
}

const waitingOf = new WeakMap<Redis, Waiting[]>();

/**
 * Claims a tick where nothing stands in the way (protocol P3), together with the others that are claimed in the same turn of
 * this process: at the full minute most jobs are due, and a script for each would cost several times as much. Each claim
 * stands for itself; where the script of all fails they are `unsettled`.
 * @throws the client's error when there is no answer; it is not known then whether the tick was claimed
 */
export function claimTogether(redis: Redis, claim: TickClaim): Promise<TickReply> {
  return new Promise((resolve, reject) => {
    let waiting = waitingOf.get(redis);
    if (waiting === undefined) {
      waiting = [];
      waitingOf.set(redis, waiting);
    }
    waiting.push({ claim, resolve, reject });
    if (waiting.length === 1) setImmediate(() => void sendWaiting(redis));
    else if (waiting.length === maxTogether) void sendWaiting(redis);
  });
}

async function sendWaiting(redis: Redis): Promise<void> {
  const sent = waitingOf.get(redis);
  // They were as many as may go together, and have gone.
  if (sent === undefined || sent.length === 0) return;
  waitingOf.set(redis, []);
  try {
    const args: [maxSkewMs: number, ...claims: (string | number)[]] = [maxSkewMs];
    for (const { claim } of sent) {
      args.push(claim.job, claim.tick, claim.token, claim.definition, claim.ttlMs, claim.about);
    }
    const reply = await claimTicks.run(redis, [], args);
    const [serverMs] = reply;
    for (let index = 0; index < sent.length; index++) {
      sent[index]!.resolve([reply[2 * index + 1], reply[2 * index + 2], serverMs] as TickReply);
    }
  } catch (error) {
    for (const { resolve, reject } of sent) {
      // One of the keys is not what it should be: that shall be its own job's failure only.
      if (error instanceof Error && error.name === 'ReplyError') resolve(['unsettled', '', '']);
      else reject(error);
    }
  }
}
