import type { Drover } from 'drover';
import type { Notification } from './notification.ts';

/** Kept for each user; who was away for longer, or for more, does not get the oldest. */
export const keptFor = { maxLength: 1000, maxAgeMs: 7 * 24 * 3_600_000 } as const;

/** A notification and where it stands among those of its user: a number that only rises. */
export interface Entry {
  readonly position: number;
  readonly notification: Notification;
}

/** The latest notifications of each user, in order. Any number of connections read it, each from where it is. */
export interface History {
  /** Once for each id: false when there is one with this id, which stays as it is. */
  add(notification: Notification): Promise<boolean>;
  /** Where a notification stands; 0, before all others, when it is not kept any more. */
  positionOf(userId: string, id: string): Promise<number>;
  /** Where the newest one stands; 0 when there is none. */
  newest(userId: string): Promise<number>;
  after(userId: string, position: number, limit: number): Promise<Entry[]>;
  /** The newest first. */
  recent(userId: string, limit: number): Promise<Notification[]>;
}

/**
 * Positions follow the clock of Redis, and rise in any case: also when the clock goes back, or when Redis has lost its data
 * while clients remember where they were.
 */
const addScript = `
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then
  return 0
end
local time = redis.call('TIME')
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2] or '0'
local position = string.format('%.0f', math.max(tonumber(last) + 1, tonumber(time[1]) * 1000000 + tonumber(time[2])))
redis.call('ZADD', KEYS[1], position, ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], position)
while redis.call('ZCARD', KEYS[1]) > tonumber(ARGV[3]) do
  redis.call('HDEL', KEYS[2], cjson.decode(redis.call('ZPOPMIN', KEYS[1])[1]).id)
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return 1
`;

export function createHistory({ coordination: { redis, prefix } }: Drover): History {
  const entriesOf = (userId: string) => `${prefix}:notifications:entries:${userId}`;
  const positionsOf = (userId: string) => `${prefix}:notifications:positions:${userId}`;

  return {
    async add(notification) {
      const { id, userId } = notification;
      const isNew = await redis.eval(
        addScript,
        2,
        ...[entriesOf(userId), positionsOf(userId)],
        ...[id, JSON.stringify(notification), keptFor.maxLength, keptFor.maxAgeMs],
      );
      return isNew === 1;
    },
    async positionOf(userId, id) {
      return Number((await redis.hget(positionsOf(userId), id)) ?? 0);
    },
    async newest(userId) {
      const [, position = '0'] = await redis.zrevrange(entriesOf(userId), 0, 0, 'WITHSCORES');
      return Number(position);
    },
    async after(userId, position, limit) {
      const key = entriesOf(userId);
      const found = await redis.zrangebyscore(key, `(${position}`, '+inf', 'WITHSCORES', 'LIMIT', 0, limit);
      const entries: Entry[] = [];
      for (let index = 0; index < found.length; index += 2) {
        entries.push({ notification: JSON.parse(found[index]!), position: Number(found[index + 1]) });
      }
      return entries;
    },
    async recent(userId, limit) {
      const texts = await redis.zrevrange(entriesOf(userId), 0, limit - 1);
      return texts.map((text) => JSON.parse(text) as Notification);
    },
  };
}
