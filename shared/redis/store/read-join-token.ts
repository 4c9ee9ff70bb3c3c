import { timingSafeEqual } from 'node:crypto';
import { DroverError } from '../../contracts/drover-error.ts';
import type { JoinToken } from '../../contracts/entities.ts';
import type { Expectation } from './commit.ts';
import { readDocument } from './read-document.ts';
import type { StoreContext } from './store-context.ts';

export interface ShownJoinToken {
  /** Whether the secret that was shown is the token's own. */
  readonly isHolder: boolean;
  /** The token as it can be used now. @throws DroverError JOIN_TOKEN_INVALID */
  usable(): JoinToken;
  readonly expectation: Expectation;
}

/** Looks up the join token that a stranger shows; `secretHash` is the SHA-256 of the secret. Expiry is by the store's clock. */
export async function readJoinToken(context: StoreContext, id: string, secretHash: string): Promise<ShownJoinToken> {
  const { keys } = context;
  const { value: token, expectation } = await readDocument<JoinToken>(context, keys.joinTokens, id);
  const [secret, [storeSeconds]] = await context.ask('read a join token', (redis) =>
    Promise.all([redis.hget(keys.joinTokenSecrets, id), redis.time()]),
  );
  const isHolder = isSame(secret ?? '', secretHash);
  const nowMs = Number(storeSeconds) * 1_000;
  return {
    isHolder,
    expectation,
    usable() {
      if (isHolder && token !== null && isUsable(token, nowMs)) return token;
      // One message for all refusals: a stranger must not learn which part was wrong.
      throw new DroverError(
        'JOIN_TOKEN_INVALID',
        'The join token is unknown, expired, used up or revoked. Make a new one with: drover token create',
      );
    },
  };
}

function isUsable({ revoked, expiresAt, usesLeft }: JoinToken, nowMs: number): boolean {
  return !revoked && (expiresAt === null || expiresAt > nowMs) && (usesLeft === null || usesLeft > 0);
}

function isSame(stored: string, shown: string): boolean {
  const [a, b] = [Buffer.from(stored), Buffer.from(shown)];
  return a.length === b.length && timingSafeEqual(a, b);
}
