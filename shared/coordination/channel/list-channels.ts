import type { OpenCoordination } from '../open-coordination.ts';
import { channelKeys } from './channel-keys.ts';
import { storeAnswer } from './store-answer.ts';

export interface ChannelView {
  readonly name: string;
  readonly kind: 'topic' | 'stream' | 'presence' | 'inbox';
  /** Of a topic participants that listen, of a stream consumers; else 0. */
  readonly subscribers: number;
  /** Messages in a stream, connections in a presence, users with messages in an inbox; null of a topic, which keeps nothing. */
  readonly length: number | null;
  readonly groups: readonly StreamGroupView[];
}

export interface StreamGroupView {
  readonly name: string;
  /** Given out and not acknowledged. */
  readonly pending: number;
  /** Not given out yet; null where Redis cannot tell. */
  readonly lag: number | null;
  readonly consumers: number;
}

export interface ListChannelsOptions {
  /** Part of the name. */
  readonly match?: string;
  /** Default 100. */
  readonly limit?: number;
}

/** All that exists, by name. Looks at each once; what changes meanwhile may be in it or not. @throws DroverError STORE_UNREACHABLE */
export async function listChannels(
  coordination: OpenCoordination,
  { match = '', limit = 100 }: ListChannelsOptions = {},
): Promise<ChannelView[]> {
  return await storeAnswer('Listing channels', list(coordination, match, limit));
}

async function list({ redis, prefix }: OpenCoordination, match: string, limit: number): Promise<ChannelView[]> {
  const keys = channelKeys(prefix);
  const glob = `${keys.topicPrefix.replace(/[\\*?[\]]/g, '\\$&')}*`;
  const topics = (await redis.pubsub('CHANNELS', glob)) as string[];
  const names = await redis.smembers(keys.names);
  const presences = await redis.hkeys(keys.presences);
  const all = [
    ...topics.map((channel) => ({ kind: 'topic', name: channel.slice(keys.topicPrefix.length) })),
    ...names.map((entry) => ({ kind: entry.slice(0, entry.indexOf(' ')), name: entry.slice(entry.indexOf(' ') + 1) })),
    ...presences.map((name) => ({ kind: 'presence', name })),
  ];
  const chosen = all
    .filter(({ name }) => name.includes(match))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.kind < b.kind ? -1 : 1))
    .slice(0, limit);
  return await Promise.all(chosen.map(async ({ kind, name }) => await view(kind, name)));

  async function view(kind: string, name: string): Promise<ChannelView> {
    const empty = { name, subscribers: 0, length: null, groups: [] };
    switch (kind) {
      case 'topic':
        return { ...empty, kind, subscribers: Number((await redis.pubsub('NUMSUB', keys.topic(name)))[1]) };
      case 'presence':
        return { ...empty, kind, length: Number((await redis.hget(keys.presences, name)) ?? 0) };
      case 'inbox':
        return { ...empty, kind, length: await redis.zcard(keys.inboxUsers(name)) };
      default:
        return { ...empty, kind: 'stream', ...(await viewStream(name)) };
    }
  }

  async function viewStream(name: string): Promise<Pick<ChannelView, 'length' | 'groups' | 'subscribers'>> {
    const key = keys.stream(name);
    const length = await redis.xlen(key);
    const infos = (await redis.xinfo('GROUPS', key).catch(() => [])) as (string | number | null)[][];
    const groups = infos.map((info) => {
      const of = new Map(Array.from({ length: info.length / 2 }, (_, index) => [info[2 * index], info[2 * index + 1]]));
      const lag = of.get('lag');
      return {
        name: String(of.get('name')),
        pending: Number(of.get('pending')),
        lag: lag === null || lag === undefined ? null : Number(lag),
        consumers: Number(of.get('consumers')),
      };
    });
    return { length, groups, subscribers: groups.reduce((sum, { consumers }) => sum + consumers, 0) };
  }
}
