import { randomUUID } from 'node:crypto';

import { createLoop } from '../../runtime/loop.ts';
import type { OpenCoordination } from '../open-coordination.ts';
import { channelKeys } from './channel-keys.ts';
import { clearUpAfter, maxClearedAtATime } from './clear-up-presences.ts';
import { endConnection } from './end-connection.ts';
import { inBatches } from './in-batches.ts';
import { beatParticipant, joinPresence } from './presence-scripts.ts';

export interface Connection {
  readonly presence: string;
  readonly member: string;
  /** JSON. */
  readonly meta: string;
  readonly takesMessages: boolean;
}

/**
 * All that one participant has present, kept so by one heartbeat however many connections there are. What could not be
 * told to Redis is told when it is back, and all of it again when Redis came back without it.
 */
export interface Participation {
  /** @returns its id; it counts from now, also while Redis is away */
  join(connection: Connection): Promise<string>;
  leave(id: string): Promise<void>;
  /** Ends all of it. Never throws; what cannot be told expires. */
  close(): Promise<void>;
}

/** A user on a host that died is elsewhere, or offline, after so long at the latest. */
export const participantTtlMs = 10_000;
const beatIntervalMs = participantTtlMs / 3;
const closeTimeoutMs = 1000;

export function createParticipation(coordination: OpenCoordination): Participation {
  const { redis, participantId, identity, clock, logger } = coordination;
  const keys = channelKeys(coordination.prefix);
  const present = new Map<string, Connection>();
  const untoldJoins = new Set<string>();
  const untoldLeaves = new Map<string, Connection>();
  let beating: ReturnType<typeof createLoop> | undefined;

  async function tellJoin(id: string): Promise<void> {
    const connection = present.get(id);
    if (connection === undefined) return void untoldJoins.delete(id);
    const { presence, member, meta, takesMessages } = connection;
    await joinPresence.run(
      redis,
      [
        ...([keys.participants, keys.presences, keys.participantPresences(participantId)] as const),
        ...([keys.presenceAt(presence, participantId), keys.presenceMember(presence, member)] as const),
      ],
      [
        ...([participantId, participantTtlMs, presence, id, member, meta, identity] as const),
        ...([takesMessages ? 1 : 0, keys.presenceEvents(presence)] as const),
      ],
    );
    untoldJoins.delete(id);
    // It left while this was under way, and its leaving may have been told before.
    if (!present.has(id)) untoldLeaves.set(id, connection);
  }

  async function tellLeave(id: string, { presence, member }: Connection): Promise<void> {
    await endConnection(coordination, { participantId, identity, presence, member, id, reason: 'left' });
    untoldLeaves.delete(id);
  }

  async function beat(signal: AbortSignal): Promise<void> {
    const [own, ...over] = await beatParticipant.run(
      redis,
      [keys.participants],
      [participantId, participantTtlMs, maxClearedAtATime + 1],
    );
    if (own === 'unknown') for (const id of present.keys()) untoldJoins.add(id);
    await inBatches([...untoldJoins], tellJoin);
    await inBatches([...untoldLeaves], ([id, connection]) => tellLeave(id, connection));
    for (const other of over) {
      if (signal.aborted) return;
      await clearUpAfter(coordination, other);
    }
  }

  const onReady = () => beating?.wake();
  function start(): void {
    if (beating !== undefined) return;
    beating = createLoop(beat, {
      intervalMs: beatIntervalMs,
      clock,
      onError: (error) => logger.debug('A heartbeat of presence had no answer', { error }),
    });
    redis.on('ready', onReady);
  }

  return {
    async join(connection) {
      const id = randomUUID();
      present.set(id, connection);
      untoldJoins.add(id);
      try {
        await tellJoin(id);
      } catch (error) {
        logger.debug('A presence is told to Redis later', { presence: connection.presence, error });
      }
      start();
      return id;
    },
    async leave(id) {
      const connection = present.get(id);
      if (connection === undefined) return;
      present.delete(id);
      untoldJoins.delete(id);
      untoldLeaves.set(id, connection);
      try {
        await tellLeave(id, connection);
      } catch (error) {
        logger.debug('A leaving is told to Redis later', { presence: connection.presence, error });
      }
    },
    async close() {
      redis.off('ready', onReady);
      await beating?.close();
      beating = undefined;
      for (const [id, connection] of present) untoldLeaves.set(id, connection);
      present.clear();
      if (redis.status !== 'ready') return;
      const told = inBatches([...untoldLeaves], ([id, connection]) => tellLeave(id, connection)).catch((error) => {
        logger.debug('Leaving was not told; it expires', { error });
      });
      const timeUp = new AbortController();
      await Promise.race([told.then(() => timeUp.abort()), clock.sleep(closeTimeoutMs, timeUp.signal)]);
    },
  };
}
