import { Refusal } from './refusal.ts';
import { TokenError, type TokenVerifier, type VerifiedToken } from './tokens.ts';

/** The token of `Authorization: Bearer …`. @throws Refusal 401 when the header says something else */
export function bearerToken(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined;
  const [, token] = /^Bearer +(\S+)$/i.exec(authorization.trim()) ?? [];
  if (token === undefined) throw new Refusal(401, 'TOKEN_INVALID', 'Authorization is not "Bearer <token>".');
  return token;
}

/** Whether the session of a token has not been ended; also while nobody can say. */
export async function isStillOpen(verifier: TokenVerifier, session: VerifiedToken): Promise<boolean> {
  try {
    return await verifier.isOpen(session);
  } catch (error) {
    if (error instanceof TokenError) return true;
    throw error;
  }
}

/** @throws Refusal 401 for a token that is not good, 503 while nobody can say whether it is */
export async function authenticate(verifier: TokenVerifier, token: string | undefined): Promise<VerifiedToken> {
  if (token === undefined) {
    throw new Refusal(401, 'TOKEN_MISSING', 'Log in first, and send the token as "Authorization: Bearer <token>".');
  }
  try {
    return await verifier.verify(token);
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    if (error.problem === 'invalid') throw new Refusal(401, 'TOKEN_INVALID', error.message);
    throw new Refusal(503, 'TOKEN_UNCHECKABLE', error.message, { retryAfterSeconds: 1 });
  }
}
