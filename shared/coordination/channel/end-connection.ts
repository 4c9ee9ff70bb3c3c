import type { Coordination } from '../coordination.ts';
import { channelKeys } from './channel-keys.ts';
import { leavePresence } from './presence-scripts.ts';

export interface EndedConnection {
  readonly participantId: string;
  readonly identity: string;
  readonly presence: string;
  readonly member: string;
  readonly id: string;
  readonly reason: 'left' | 'expired';
}

/** Ends the presence of one connection. May be repeated. Rejects as the client does. */
export async function endConnection({ redis, prefix }: Coordination, end: EndedConnection): Promise<void> {
  const { presence, member, participantId } = end;
  const keys = channelKeys(prefix);
  await leavePresence.run(
    redis,
    [
      ...([keys.presences, keys.participantPresences(participantId)] as const),
      ...([keys.presenceAt(presence, participantId), keys.presenceMember(presence, member)] as const),
    ],
    [participantId, presence, end.id, member, end.identity, keys.presenceEvents(presence), end.reason],
  );
}
