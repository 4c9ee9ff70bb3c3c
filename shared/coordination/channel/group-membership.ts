import type { Redis } from 'ioredis';

import { channelKeys } from './channel-keys.ts';
import {
  failMessage,
  keepMessages,
  leaveGroup,
  openGroup,
  recoverMessages,
  removeIdleConsumers,
  type TakenMessage,
  takeMessages,
} from './stream-scripts.ts';

export interface GroupMembershipOptions {
  /** A client of the `coord` profile. */
  readonly redis: Redis;
  readonly prefix: string;
  readonly stream: string;
  readonly group: string;
  readonly consumer: string;
  readonly visibilityMs: number;
  readonly maxDeliveries: number;
  /** Name of the stream of dead messages; null drops them. */
  readonly deadLetter: string | null;
}

/** What one consumer asks of Redis about its group. All reject when there is no answer; all may be asked again. */
export interface GroupMembership {
  open(after: '$' | '0'): Promise<void>;
  /** New messages, from a client of its own: it waits up to `blockMs`. */
  read(reader: Redis, count: number, blockMs: number): Promise<TakenMessage[]>;
  /** Messages that others have left alone, and what was buried on the way. */
  claim(limit: number): Promise<{ readonly taken: TakenMessage[]; readonly buried: string[] }>;
  /** @returns which of them are still ours */
  keep(ids: readonly string[]): Promise<Set<string>>;
  recover(known: readonly string[]): Promise<TakenMessage[]>;
  acknowledge(ids: readonly string[]): Promise<void>;
  fail(
    id: string,
    outcome: { readonly retryMs: number | null; readonly reason: string },
  ): Promise<'waiting' | 'buried' | 'lost'>;
  leave(unbegun: readonly string[]): Promise<void>;
  removeSilentConsumers(): Promise<void>;
}

/** A consumer has at most its buffer, what it works on, and what waits for another try after a failure. */
const maxOwned = 10_000;
/** Above any visibility: whoever looks next may take it over. */
const leftAloneMs = 7 * 24 * 3_600_000;
/** One that lives shows itself each few seconds; removing one that does is harmless. */
const silentConsumerMs = 300_000;
const deadLength = 10_000;
/** Enough for a message and the first frames. */
const maxReasonChars = 1000;

export function createGroupMembership(options: GroupMembershipOptions): GroupMembership {
  const { redis, stream, group, consumer, visibilityMs, maxDeliveries, deadLetter } = options;
  const keys = channelKeys(options.prefix);
  const key = keys.stream(stream);
  const dead = keys.stream(deadLetter ?? stream);
  const deadEntry = deadLetter === null ? '' : `stream ${deadLetter}`;
  let cursor = '0-0';

  return {
    async open(after) {
      await openGroup.run(redis, [key, keys.names], [group, after, `stream ${stream}`]);
    },
    async read(reader, count, blockMs) {
      const reply = (await reader.xreadgroup(
        'GROUP',
        group,
        consumer,
        'COUNT',
        count,
        'BLOCK',
        blockMs,
        'STREAMS',
        key,
        '>',
      )) as [[stream: string, entries: [id: string, fields: string[]][]]] | null;
      return reply === null ? [] : reply[0][1].map(([id, fields]) => [id, 1, fields[1] ?? 'null']);
    },
    async claim(limit) {
      const [next, taken, buried] = await takeMessages.run(
        redis,
        [key, dead, keys.names],
        [group, consumer, visibilityMs, limit, maxDeliveries, cursor, 0, deadEntry, deadLength],
      );
      cursor = next;
      return { taken, buried };
    },
    async keep(ids) {
      return new Set(await keepMessages.run(redis, [key], [group, consumer, maxOwned, ...ids]));
    },
    async recover(known) {
      return await recoverMessages.run(redis, [key], [group, consumer, maxOwned, ...known]);
    },
    async acknowledge(ids) {
      await redis.xack(key, group, ...ids);
    },
    async fail(id, { retryMs, reason }) {
      return await failMessage.run(
        redis,
        [key, dead, keys.names],
        [
          ...([group, consumer, id] as const),
          retryMs === null ? 0 : maxDeliveries,
          Math.max(0, visibilityMs - (retryMs ?? 0)),
          reason.slice(0, maxReasonChars),
          ...([deadEntry, deadLength] as const),
        ],
      );
    },
    async leave(unbegun) {
      await leaveGroup.run(redis, [key], [group, consumer, maxOwned, leftAloneMs, ...unbegun]);
    },
    async removeSilentConsumers() {
      await removeIdleConsumers.run(redis, [key], [group, silentConsumerMs]);
    },
  };
}
