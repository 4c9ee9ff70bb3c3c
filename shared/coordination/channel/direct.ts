import type { OpenCoordination } from '../open-coordination.ts';
import { channelKeys } from './channel-keys.ts';
import { assertName, checkMessage, encodeMessage, type MessageSchema } from './message-format.ts';
import type { LinkListening, MessageLink } from './message-link.ts';
import type { Participation } from './participation.ts';
import { locateMember } from './presence-scripts.ts';
import { storeAnswer } from './store-answer.ts';

export interface Direct<T> {
  /**
   * Takes messages for a member that is connected here, and makes it present under the same name. Several times for one
   * member: each handler gets each message. A message sent after `ready` has resolved arrives.
   */
  onMessage(
    member: string,
    handler: (message: T) => unknown,
    options?: { readonly meta?: unknown },
  ): { readonly ready: Promise<void>; close(): Promise<void> };
  /**
   * Sends to all connections of a member, on any instance. At most once.
   * @returns to how many connections; 0 when it is nowhere: put the message into an inbox then
   * @throws DroverError ARGUMENT_INVALID, STORE_UNREACHABLE
   */
  send(member: string, message: T): Promise<number>;
}

/** What goes to one participant: for whom under which name. */
interface Envelope {
  readonly name: string;
  readonly member: string;
  readonly message: unknown;
}

type Take = (message: unknown) => unknown;

/** The channel of this participant, shared by all names. */
export interface DirectLine {
  register(name: string, member: string, take: Take): { readonly ready: Promise<void>; close(): void };
}

export function createDirectLine(coordination: OpenCoordination, link: MessageLink): DirectLine {
  const { logger, participantId } = coordination;
  const takers = new Map<string, Set<Take>>();
  let listening: LinkListening | undefined;

  async function give(take: Take, { name, member, message }: Envelope): Promise<void> {
    try {
      await take(message);
    } catch (error) {
      logger.warn('A direct message was not taken', { channel: name, member, error });
    }
  }

  const listener = {
    message(text: string): void {
      const envelope = JSON.parse(text) as Envelope;
      for (const take of takers.get(`${envelope.name} ${envelope.member}`) ?? []) void give(take, envelope);
    },
    gap() {},
  };

  return {
    register(name, member, take) {
      listening ??= link.listen(channelKeys(coordination.prefix).direct(participantId), listener);
      const key = `${name} ${member}`;
      const set = takers.get(key) ?? new Set();
      takers.set(key, set.add(take));
      return {
        ready: listening.ready,
        close() {
          set.delete(take);
          if (set.size === 0 && takers.get(key) === set) takers.delete(key);
          if (takers.size > 0) return;
          listening?.close();
          listening = undefined;
        },
      };
    },
  };
}

export interface DirectOptions<T> {
  readonly schema?: MessageSchema<T>;
}

export function createDirect<T>(
  coordination: OpenCoordination,
  line: DirectLine,
  participation: Participation,
  { name, schema }: DirectOptions<T> & { readonly name: string },
): Direct<T> {
  assertName('name', name);
  const keys = channelKeys(coordination.prefix);
  return {
    onMessage(member, handler, { meta = null } = {}) {
      assertName('member', member);
      const text = encodeMessage(meta);
      const taking = line.register(name, member, (message) => handler(checkMessage(message, schema)));
      let isClosed = false;
      // Present only once it hears, so that whoever is told `delivered` is right.
      const joined = taking.ready.then(async () => {
        if (isClosed) return undefined;
        return await participation.join({ presence: name, member, meta: text, takesMessages: true });
      });
      let id: string | undefined;
      const ready = joined.then(async (joinedId) => {
        id = joinedId;
        if (isClosed && id !== undefined) await participation.leave(id);
      });
      return {
        ready,
        async close() {
          isClosed = true;
          if (id !== undefined) await participation.leave(id);
          taking.close();
        },
      };
    },
    async send(member, message) {
      assertName('member', member);
      const text = encodeMessage(message, schema);
      const envelope = `{"name":${JSON.stringify(name)},"member":${JSON.stringify(member)},"message":${text}}`;
      const sending = locateMember.run(
        coordination.redis,
        [keys.presenceMember(name, member), keys.participants],
        [envelope, keys.directPrefix],
      );
      const found = await storeAnswer(`Sending through ${name}`, sending);
      return found.filter(([, , , isReached]) => isReached === 1).length;
    },
  };
}
