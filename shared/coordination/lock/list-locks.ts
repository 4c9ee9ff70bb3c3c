import { DroverError } from '../../contracts/drover-error.ts';
import type { Coordination } from '../coordination.ts';
import { answerWithin } from '../lease/hold.ts';
import type { LockKind } from './held-lock.ts';
import { lockKeys } from './lock-keys.ts';

export interface LockView {
  readonly name: string;
  readonly kind: LockKind;
  readonly holders: readonly LockHolderView[];
  /** First come, first. */
  readonly waiters: readonly LockWaiterView[];
}

export interface LockHolderView {
  readonly identity: string;
  readonly token: number;
  readonly ageMs: number;
  /** Unless it is renewed. */
  readonly expiresInMs: number;
}

export interface LockWaiterView {
  readonly identity: string;
  readonly kind: LockKind;
  readonly waitingMs: number;
}

export interface ListLocksOptions {
  /** Part of the name. */
  readonly match?: string;
  /** 1 to 1000, default 100. */
  readonly limit?: number;
}

const defaultLimit = 100;
const maxLimit = 1000;
const scanCount = 1000;
/** A look at a million keys; who has more finds what he wants by `match` or not at all. */
const maxScans = 1000;
const answerMs = 2000;

type Space = 'lock' | 'rw' | 'semaphore';

/**
 * What is held or waited for, by name, each as it was at one instant; what changes meanwhile may be in it or not.
 * @throws DroverError STORE_UNREACHABLE, ARGUMENT_INVALID
 */
export async function listLocks(coordination: Coordination, options: ListLocksOptions = {}): Promise<LockView[]> {
  const { match = '', limit = defaultLimit } = options;
  if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit) {
    const issues = [{ path: 'limit', reason: 'is out of range', allowed: `1 to ${maxLimit}` }];
    throw new DroverError('ARGUMENT_INVALID', `Locks cannot be listed with limit ${limit}.`, { issues });
  }
  try {
    const found = await findNames(coordination, match, limit);
    const views = await Promise.all(found.map(({ space, name }) => view(coordination, space, name)));
    return views.filter(({ holders, waiters }) => holders.length + waiters.length > 0);
  } catch (cause) {
    throw new DroverError('STORE_UNREACHABLE', 'Redis did not answer about locks. Try again.', { cause });
  }
}

async function findNames({ redis, prefix, clock }: Coordination, match: string, limit: number) {
  const pattern = `${escapeGlob(prefix)}:*${escapeGlob(match)}*`;
  const ofLocks = /^(lock|rw|semaphore)(?:-queue)?:(.+)$/s;
  const found = new Map<string, { space: Space; name: string }>();
  let cursor = '0';
  for (let scans = 0; scans < maxScans; scans++) {
    const [next, keys] = await answerWithin(redis.scan(cursor, 'MATCH', pattern, 'COUNT', scanCount), answerMs, clock);
    cursor = next;
    for (const key of keys) {
      const parts = ofLocks.exec(key.slice(prefix.length + 1));
      if (!parts?.[2]?.includes(match)) continue;
      found.set(`${parts[2]} ${parts[1]}`, { space: parts[1] as Space, name: parts[2] });
    }
    if (cursor === '0' || found.size >= limit) break;
  }
  return [...found.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .slice(0, limit)
    .map(([, one]) => one);
}

async function view(coordination: Coordination, space: Space, name: string): Promise<LockView> {
  const { redis, prefix, clock } = coordination;
  const keys = lockKeys(prefix);
  const queue = space === 'lock' ? keys.queue(name) : keys.shared(space, name).queue;
  const [time, holders, line] = await answerWithin(
    Promise.all([
      redis.time(),
      space === 'lock' ? readLock(coordination, name) : readShared(coordination, space, name),
      redis.zrange(queue, '0', '-1', 'WITHSCORES'),
    ]),
    answerMs,
    clock,
  );
  const nowMicros = Number(time[0]) * 1_000_000 + Number(time[1]);
  const places = line.flatMap((holder, index) =>
    index % 2 === 0 ? [{ holder, ticket: Number(line[index + 1]) }] : [],
  );
  const records = places.length === 0 ? [] : await redis.mget(places.map(({ holder }) => keys.waiter(holder)));
  const waiters = places.flatMap(({ ticket }, index): LockWaiterView[] => {
    const record = records[index];
    if (!record) return [];
    const { identity, kind = 'lock' } = JSON.parse(record) as { identity: string; kind?: LockKind };
    return [{ identity, kind, waitingMs: sinceMs(ticket, nowMicros) }];
  });
  const kind = space === 'rw' ? (holders[0]?.kind ?? waiters[0]?.kind ?? 'read') : space;
  return {
    name,
    kind,
    waiters,
    holders: holders
      .filter(({ endsInMs, endsAtMs }) => (endsInMs ?? endsAtMs! - nowMicros / 1000) > 0)
      .map(({ identity, token, endsInMs, endsAtMs }) => ({
        ...{ identity, token, ageMs: sinceMs(token, nowMicros) },
        expiresInMs: Math.ceil(endsInMs ?? endsAtMs! - nowMicros / 1000),
      })),
  };
}

interface Holder {
  readonly kind: LockKind;
  readonly identity: string;
  readonly token: number;
  readonly endsInMs?: number;
  readonly endsAtMs?: number;
}

async function readLock({ redis, prefix }: Coordination, name: string): Promise<Holder[]> {
  const key = lockKeys(prefix).lock(name);
  const [value, endsInMs] = await Promise.all([redis.get(key), redis.pttl(key)]);
  if (value === null) return [];
  const [, token, identity] = value.split(' ') as [string, string, string];
  return [{ kind: 'lock', identity, token: Number(token), endsInMs }];
}

async function readShared({ redis, prefix }: Coordination, space: 'rw' | 'semaphore', name: string): Promise<Holder[]> {
  const keys = lockKeys(prefix).shared(space, name);
  const [ends, infos] = await Promise.all([
    redis.zrange(keys.holders, '0', '-1', 'WITHSCORES'),
    redis.hgetall(keys.info),
  ]);
  return ends.flatMap((holder, index): Holder[] => {
    const info = index % 2 === 0 ? infos[holder] : undefined;
    if (info === undefined) return [];
    const [kind, token, identity] = info.split(' ') as [LockKind, string, string];
    return [{ kind, identity, token: Number(token), endsAtMs: Number(ends[index + 1]) }];
  });
}

/** Tokens and tickets are times in µs of the server's clock, unless that went back. */
function sinceMs(token: number, nowMicros: number): number {
  return Math.max(0, Math.round((nowMicros - token) / 1000));
}

function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&');
}
