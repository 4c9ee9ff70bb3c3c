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
      const key = sessionsOf(userId);
      const fields = await read(userId);
      const kept = open(fields).slice(0, maxSessions - 1);
      const gone = Object.keys(fields).filter((id) => !kept.some((session) => session.id === id));
      const sessionId = randomUUID();
      const endsAt = Date.now() + sessionTtlMs;
      if (gone.length > 0) await whileRedisAnswers(redis.hdel(key, ...gone));
      await whileRedisAnswers(redis.hset(key, sessionId, endsAt));
      await whileRedisAnswers(redis.pexpire(key, sessionTtlMs));
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
