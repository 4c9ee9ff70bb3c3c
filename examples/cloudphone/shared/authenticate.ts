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

/** A token that is good, but for its session. */
export interface Recognized extends VerifiedToken {
  /** Nothing may take effect or be answered before. Rejected with a Refusal: 401 when its session was ended, 503 as below. */
  readonly confirmed: Promise<void>;
}

/** @throws Refusal 401 for a token that is not good, 503 while nobody can say whether it is */
export async function authenticate(verifier: TokenVerifier, token: string | undefined): Promise<VerifiedToken> {
  const { userId, sessionId, confirmed } = await recognize(verifier, token);
  await confirmed;
  return { userId, sessionId };
}

/** As `authenticate`, for who has something to do until the session has been looked up. @throws Refusal 401, 503 */
export async function recognize(verifier: TokenVerifier, token: string | undefined): Promise<Recognized> {
  if (token === undefined) {
    throw new Refusal(401, 'TOKEN_MISSING', 'Log in first, and send the token as "Authorization: Bearer <token>".');
  }
  const { userId, sessionId, isOpen } = await verifier.read(token).catch(refuse);
  const confirmed = isOpen.then((open) => {
    if (!open) throw new Refusal(401, 'TOKEN_INVALID', 'The session of the token has been ended.');
  }, refuse);
  // Whoever has been refused for another reason does not ask.
  confirmed.catch(() => undefined);
  return { userId, sessionId, confirmed };
}

function refuse(error: unknown): never {
  if (!(error instanceof TokenError)) throw error;
  if (error.problem === 'invalid') throw new Refusal(401, 'TOKEN_INVALID', error.message);
  throw new Refusal(503, 'TOKEN_UNCHECKABLE', error.message, { retryAfterSeconds: 1 });
}
