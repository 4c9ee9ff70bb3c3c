import type { Coordination } from '../coordination.ts';
import { channelKeys } from './channel-keys.ts';
import { endConnection } from './end-connection.ts';
import { batchSize, inBatches } from './in-batches.ts';
import { beatParticipant, forgetParticipant } from './presence-scripts.ts';

/** Participants that one look clears up after; the next one goes on. */
export const maxClearedAtATime = 10;

/**
 * Ends what participants had present whose time is over, for whoever takes part in no presence himself: heartbeats of those
 * who do clear up after others, and are not there when all are dead. Rejects as the client does; the next look goes on.
 */
export async function clearUpPresences(coordination: Coordination, signal: AbortSignal): Promise<void> {
  const { participants } = channelKeys(coordination.prefix);
  const nobody = '';
  const [, ...over] = await beatParticipant.run(coordination.redis, [participants], [nobody, 0, maxClearedAtATime]);
  for (const participantId of over) {
    if (signal.aborted) return;
    await clearUpAfter(coordination, participantId);
  }
}

/** After one participant. Others may do the same at the same time: each step is one that may be repeated. */
export async function clearUpAfter(coordination: Coordination, participantId: string): Promise<void> {
  const { redis, prefix } = coordination;
  const keys = channelKeys(prefix);
  for (const presence of await redis.smembers(keys.participantPresences(participantId))) {
    const at = keys.presenceAt(presence, participantId);
    for (let cursor = '0', first = true; first || cursor !== '0'; first = false) {
      const [next, fields] = await redis.hscan(at, cursor, 'COUNT', batchSize);
      cursor = next;
      const pairs = Array.from({ length: fields.length / 2 }, (_, i) => [fields[2 * i]!, fields[2 * i + 1]!] as const);
      await inBatches(pairs, async ([id, value]) => {
        const [member, identity] = JSON.parse(value) as [string, string];
        await endConnection(coordination, { participantId, identity, presence, member, id, reason: 'expired' });
      });
    }
    // A set that outlived its hash would keep the participant in the list for ever.
    if ((await redis.exists(at)) === 0) await redis.srem(keys.participantPresences(participantId), presence);
  }
  await forgetParticipant.run(redis, [keys.participants, keys.participantPresences(participantId)], [participantId]);
}
