import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Drover } from 'drover';
import {
  createLocalJWKSet,
  decodeJwt,
  errors,
  type JSONWebKeySet,
  type JWK,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';

/** Who issues tokens, who they are for, and how they are signed. */
export const tokenRules = { issuer: 'cloudphone', audience: 'cloudphone', algorithm: 'EdDSA' } as const;
/** Clocks of hosts may differ by so much. */
const clockToleranceSeconds = 2;
/** A Redis that hangs is one that is away: who waits for an answer wants one soon. */
const lookTimeoutMs = 1000;

export interface VerifiedToken {
  readonly userId: string;
  readonly sessionId: string;
}

/**
 * Why a token was not verified. `invalid`: it is wrong, has expired, or its session was ended, and asking again is no use.
 * `uncheckable`: nobody can say now, because Redis is away.
 */
export class TokenError extends Error {
  readonly problem: 'invalid' | 'uncheckable';

  constructor(problem: 'invalid' | 'uncheckable', message: string, options?: ErrorOptions) {
    super(message, options);
    this.problem = problem;
  }
}

export interface ReadToken extends VerifiedToken {
  /** Whether its session is open, known a moment later. Rejected with a TokenError when nobody can say now. */
  readonly isOpen: Promise<boolean>;
}

export interface TokenVerifier {
  /** The claims of a token that is signed by us and has not expired. @throws TokenError */
  read(token: string): Promise<ReadToken>;
  /** For what outlives a token, such as a socket: false once the session was ended. @throws TokenError while nobody can say */
  isOpen(session: VerifiedToken): Promise<boolean>;
}

/** Where user-service keeps what tokens are verified by. */
export function tokenRecords(prefix: string) {
  return {
    /** Hash: key id → `PublishedKey`, as JSON; and `current` → id of the key that tokens are signed with. */
    keys: `${prefix}:users:keys`,
    /** Hash: session id → when it ends, in ms since 1970. A session that is not there has been ended. */
    sessionsOf: (userId: string) => `${prefix}:users:sessions:${userId}`,
  };
}

/** What everybody may read of a signing key. */
export interface PublishedKey {
  readonly publicKey: JWK;
}

/** The public keys among the fields of the hash. */
export function publicKeys(fields: Readonly<Record<string, string>>): JSONWebKeySet {
  const records = Object.entries(fields).filter(([field]) => field !== 'current');
  return { keys: records.map(([, text]) => (JSON.parse(text) as PublishedKey).publicKey) };
}

/**
 * Verifies the tokens of user-service in any service. The signature is checked here, by public keys that are kept until an
 * unknown one turns up; meanwhile the session is looked up, one command of Redis each time, so that a token is worth
 * nothing anywhere from the moment when its session was ended. While Redis is away nobody can know that, and no token passes.
 */
export function createTokenVerifier(drover: Drover): TokenVerifier {
  const { redis, prefix } = drover.coordination;
  const records = tokenRecords(prefix);
  let findKey: JWTVerifyGetKey = createLocalJWKSet({ keys: [] });
  let underWay: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;

  async function readKeys(): Promise<void> {
    findKey = createLocalJWKSet(publicKeys(await look(redis.hgetall(records.keys))));
  }

  /** One read at a time, which begins after this was called: anybody may send tokens that name keys of his own invention. */
  function refreshKeys(): Promise<void> {
    next ??= underWay
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        underWay = readKeys();
        return underWay;
      });
    return next;
  }

  async function readClaims(token: string) {
    const rules = {
      ...{ issuer: tokenRules.issuer, audience: tokenRules.audience, algorithms: [tokenRules.algorithm] },
      ...{ clockTolerance: clockToleranceSeconds, requiredClaims: ['sub', 'sid', 'exp', 'iat'] },
    };
    try {
      return (await jwtVerify(token, findKey, rules)).payload;
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
    }
    // Signed with a key that was made since the last look, or with none of ours.
    await refreshKeys();
    return (await jwtVerify(token, findKey, rules)).payload;
  }

  async function isOpen({ userId, sessionId }: VerifiedToken): Promise<boolean> {
    return Number(await look(redis.hget(records.sessionsOf(userId), sessionId))) > Date.now();
  }

  /** Whether the session is open that a token names; the token may be anybody's invention. */
  async function isOpenByName(token: string): Promise<boolean> {
    // By then the signature is being checked, by another thread.
    await nextTurn();
    const { sub, sid } = decodeJwt(token);
    return typeof sub === 'string' && typeof sid === 'string' && (await isOpen({ userId: sub, sessionId: sid }));
  }

  return {
    async read(token) {
      // On its way while the signature is being checked; what comes back counts only if that is good.
      const openByName = isOpenByName(token);
      openByName.catch(() => undefined);
      const { sub, sid } = await readClaims(token).catch((error: unknown) => {
        if (!(error instanceof errors.JOSEError)) throw error;
        const isExpired = error instanceof errors.JWTExpired;
        throw new TokenError('invalid', isExpired ? 'The token has expired.' : 'The token is not one of ours.');
      });
      if (sub === undefined || typeof sid !== 'string')
        throw new TokenError('invalid', 'The token is not one of ours.');
      return { userId: sub, sessionId: sid, isOpen: openByName };
    },
    isOpen,
  };
}

async function look<T>(answer: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer in ${lookTimeoutMs} ms`)), lookTimeoutMs);
  try {
    return await Promise.race([answer, late.promise]);
  } catch (error) {
    throw new TokenError('uncheckable', 'Whether the token is good cannot be found out now.', { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
