import type { OpenCoordination } from '../open-coordination.ts';
import { channelKeys } from './channel-keys.ts';
import { assertName, encodeMessage } from './message-format.ts';
import type { MessageLink } from './message-link.ts';
import type { Participation } from './participation.ts';
import { aliveParticipants, locateMember } from './presence-scripts.ts';
import { storeAnswer } from './store-answer.ts';

export interface MemberConnection {
  readonly member: string;
  readonly identity: string;
  readonly participantId: string;
  readonly meta: unknown;
}

export interface PresenceEvent {
  /** `joined`: the member was nowhere and is somewhere; `left`: the other way. Further connections are no event. */
  readonly type: 'joined' | 'left';
  readonly member: string;
  /** Of the first connection, or the last. */
  readonly identity: string;
  readonly participantId: string;
  /** `left`: it said so; `expired`: its participant died. */
  readonly reason?: 'left' | 'expired';
}

export interface PresenceSubscribeOptions {
  /** Events may have been missed: list again. */
  readonly onGap?: (sinceMs: number) => void;
}

/** Who is connected, and where. */
export interface Presence {
  /** One connection of a member, here, until it leaves or this participant ends. Never throws for Redis: it is told later. */
  join(member: string, meta?: unknown): Promise<{ leave(): Promise<void> }>;
  /** All connections, at most `limit` (default 10,000). @throws DroverError STORE_UNREACHABLE */
  list(options?: { readonly limit?: number }): Promise<MemberConnection[]>;
  /** The connections of one member; none when it is nowhere. @throws DroverError STORE_UNREACHABLE */
  locate(member: string): Promise<MemberConnection[]>;
  /** At most once, as topics: after a gap list again. When Redis lost its data, all that are present join again. */
  subscribe(
    handler: (event: PresenceEvent) => unknown,
    options?: PresenceSubscribeOptions,
  ): { readonly ready: Promise<void>; close(): void };
}

const defaultListLimit = 10_000;
const scanCount = 500;

export function createPresence(
  coordination: OpenCoordination,
  link: MessageLink,
  participation: Participation,
  name: string,
): Presence {
  assertName('name', name);
  const { redis, logger } = coordination;
  const keys = channelKeys(coordination.prefix);

  async function list(limit: number): Promise<MemberConnection[]> {
    const found: MemberConnection[] = [];
    for (const participantId of await aliveParticipants.run(redis, [keys.participants], [])) {
      const at = keys.presenceAt(name, participantId);
      const seen = new Set<string>();
      for (let cursor = '0', first = true; first || cursor !== '0'; first = false) {
        const [next, fields] = await redis.hscan(at, cursor, 'COUNT', scanCount);
        cursor = next;
        for (let index = 0; index < fields.length; index += 2) {
          if (seen.has(fields[index]!)) continue;
          seen.add(fields[index]!);
          const [member, identity, meta] = JSON.parse(fields[index + 1]!) as [string, string, string];
          found.push({ member, identity, participantId, meta: JSON.parse(meta) });
          if (found.length >= limit) return found;
        }
      }
    }
    return found;
  }

  return {
    async join(member, meta = null) {
      assertName('member', member);
      const text = encodeMessage(meta);
      const id = await participation.join({ presence: name, member, meta: text, takesMessages: false });
      return { leave: () => participation.leave(id) };
    },
    async list({ limit = defaultListLimit } = {}) {
      return await storeAnswer(`Listing presence ${name}`, list(limit));
    },
    async locate(member) {
      assertName('member', member);
      const located = locateMember.run(redis, [keys.presenceMember(name, member), keys.participants], ['', '']);
      return (await storeAnswer(`Locating in presence ${name}`, located)).map(([participantId, , value]) => {
        const [identity, meta] = JSON.parse(value) as [string, string];
        return { member, identity, participantId, meta: JSON.parse(meta) };
      });
    },
    subscribe(handler, { onGap } = {}) {
      const guarded = async (run: () => unknown) => {
        try {
          await run();
        } catch (error) {
          logger.error('A listener to presence failed', { presence: name, error });
        }
      };
      return link.listen(keys.presenceEvents(name), {
        message: (text) => void guarded(() => handler(JSON.parse(text) as PresenceEvent)),
        gap: (sinceMs) => void guarded(() => onGap?.(sinceMs)),
      });
    },
  };
}
