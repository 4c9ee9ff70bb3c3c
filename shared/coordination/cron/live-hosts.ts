import type { Coordination } from '../coordination.ts';
import { answerWithin } from '../lease/hold.ts';
import { lockKeys } from '../lock/lock-keys.ts';
import { answerTimeoutMs } from './claim-run.ts';

/** An instance whose word is older is not shown as a host of the job any more. Three refreshes fit into it. */
export const hostTtlMs = 60_000;
/** A word that is so young is believed by itself: the connection for messages may be on its way still. */
const youngMs = 2000;

/**
 * How an instance that declares a job is noted. One that `listens` has a connection on the channel of its participant for as
 * long as it lives; of others, such as those behind REST, nothing is known but their word.
 */
export function hostMember(participantId: string, identity: string, listens: boolean): string {
  return listens ? `${participantId} ${identity} listens` : `${participantId} ${identity}`;
}

/**
 * Identities of the instances that declare a job and live, sorted. The death of a process ends its connections, which Redis
 * sees at once; that of a machine, or of its network, is seen when its word has run out.
 */
export async function liveHosts(
  { redis, prefix, clock, logger }: Pick<Coordination, 'redis' | 'prefix' | 'clock' | 'logger'>,
  membersWithScores: readonly string[],
  nowMs: number,
): Promise<string[]> {
  const words = membersWithScores.flatMap((member, index) => {
    if (index % 2 === 1) return [];
    const [participantId = '', identity = '', listens] = member.split(' ');
    const restMs = Number(membersWithScores[index + 1]) - nowMs;
    const channel = lockKeys(prefix).wake(participantId);
    return [{ channel, identity, restMs, isDoubted: listens !== undefined && restMs < hostTtlMs - youngMs }];
  });
  const deaf = new Set<string>();
  const doubted = words.filter(({ isDoubted }) => isDoubted).map(({ channel }) => channel);
  if (doubted.length > 0) {
    try {
      const counts = await answerWithin(redis.pubsub('NUMSUB', ...doubted), answerTimeoutMs, clock);
      for (let at = 0; at + 1 < counts.length; at += 2) if (Number(counts[at + 1]) === 0) deaf.add(String(counts[at]));
    } catch (error) {
      // A user who may not ask that has the words.
      logger.debug('Redis does not say who listens', { error });
    }
  }
  return words
    .filter(({ restMs, isDoubted, channel }) => restMs > 0 && !(isDoubted && deaf.has(channel)))
    .map(({ identity }) => identity)
    .sort();
}
