import { randomUUID } from 'node:crypto';
import type { Drover } from 'drover';
import { SignJWT } from 'jose';
import { Refusal } from '../shared/refusal.ts';
import { tokenRecords, tokenRules, type VerifiedToken } from '../shared/tokens.ts';
import type { SigningKeys } from './signing-keys.ts';
import { whileRedisAnswers } from './while-redis-answers.ts';

export interface IssuedToken {
  readonly token: string;
  /** ISO 8601. */
  readonly expiresAt: string;
  readonly userId: string;
}

export interface Session {
  readonly id: string;
  /** ISO 8601. */
  readonly endsAt: string;
}

/** All that end in the moment when they are ended here, for every instance of every service. Each throws Refusal 503. */
export interface Sessions {
  begin(userId: string): Promise<IssuedToken>;
  /** Another token for a session, which ends when it would have. @throws Refusal 401 when it has ended */
  renew(session: VerifiedToken): Promise<IssuedToken>;
  list(userId: string): Promise<Session[]>;
  end(session: VerifiedToken): Promise<void>;
  endAll(userId: string): Promise<void>;
}

export interface SessionsOptions {
  readonly drover: Drover;
  readonly keys: SigningKeys;
  /** How long a token is good. */
  readonly tokenTtlMs: number;
  /** How long tokens can be renewed without a password. */
  readonly sessionTtlMs: number;
}

/** Devices and browsers of one user; with more of them the oldest session ends. */
const maxSessions = 50;

/**
 * Adds a session, in place of those that have ended and of the oldest beyond the limit. In one step: logins at the same time
 * leave no more than the limit, and none of them a key without an expiry.
 * KEYS[1] sessions of the user
 * ARGV[1] id  ARGV[2] when it ends, in ms since 1970  ARGV[3] now  ARGV[4] time to live in ms  ARGV[5] the most sessions
 */
const addSession = `
local found = redis.call('HGETALL', KEYS[1])
local open = {}
for i = 1, #found, 2 do
  if tonumber(found[i + 1]) > tonumber(ARGV[3]) then
    table.insert(open, { found[i], tonumber(found[i + 1]) })
  else
    redis.call('HDEL', KEYS[1], found[i])
  end
end
table.sort(open, function(a, b) return a[2] > b[2] end)
for i = tonumber(ARGV[5]), #open do redis.call('HDEL', KEYS[1], open[i][1]) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ARGV[4])`;

export function createSessions({ drover, keys, tokenTtlMs, sessionTtlMs }: SessionsOptions): Sessions {
  const { redis, prefix } = drover.coordination;
  const { sessionsOf } = tokenRecords(prefix);

  async function issue(userId: string, sessionId: string, sessionEndsAt: number): Promise<IssuedToken> {
    const { kid, privateKey } = await keys.current();
    const issuedAt = Math.floor(Date.now() / 1000);
    const expiresAt = Math.floor(Math.min(Date.now() + tokenTtlMs, sessionEndsAt) / 1000);
    const token = await new SignJWT({ sid: sessionId })
      .setProtectedHeader({ alg: tokenRules.algorithm, kid, typ: 'JWT' })
      .setIssuer(tokenRules.issuer)
      .setAudience(tokenRules.audience)
      .setSubject(userId)
      .setIssuedAt(issuedAt)
      .setExpirationTime(expiresAt)
      .sign(privateKey);
    return { token, expiresAt: new Date(expiresAt * 1000).toISOString(), userId };
  }

  const read = (userId: string) => whileRedisAnswers(redis.hgetall(sessionsOf(userId)));

  return {
    async begin(userId) {
      const sessionId = randomUUID();
      const now = Date.now();
      const endsAt = now + sessionTtlMs;
      const args = [sessionId, endsAt, now, sessionTtlMs, maxSessions];
      await whileRedisAnswers(redis.eval(addSession, 1, sessionsOf(userId), ...args));
      return await issue(userId, sessionId, endsAt);
    },
    async renew({ userId, sessionId }) {
      const endsAt = Number(await whileRedisAnswers(redis.hget(sessionsOf(userId), sessionId)));
      if (endsAt <= Date.now()) throw new Refusal(401, 'TOKEN_INVALID', 'The session of the token has been ended.');
      return await issue(userId, sessionId, endsAt);
    },
    async list(userId) {
      return open(await read(userId)).map(({ id, endsAt }) => ({ id, endsAt: new Date(endsAt).toISOString() }));
    },
    async end({ userId, sessionId }) {
      await whileRedisAnswers(redis.hdel(sessionsOf(userId), sessionId));
    },
    async endAll(userId) {
      await whileRedisAnswers(redis.del(sessionsOf(userId)));
    },
  };
}

/** Those that have not ended, the one that lives longest first. */
function open(fields: Readonly<Record<string, string>>): { id: string; endsAt: number }[] {
  return Object.entries(fields)
    .map(([id, endsAt]) => ({ id, endsAt: Number(endsAt) }))
    .filter(({ endsAt }) => endsAt > Date.now())
    .sort((a, b) => b.endsAt - a.endsAt);
}
