import type { IncomingHttpHeaders } from 'node:http';
import { authenticate, bearerToken, isStillOpen } from '../shared/authenticate.ts';
import { Refusal, readInput } from '../shared/refusal.ts';
import type { TokenVerifier } from '../shared/tokens.ts';
import { clientSchema } from './notification.ts';

export interface Introduction {
  readonly headers: IncomingHttpHeaders;
  /** Of the URL, or what a client of Socket.IO says of itself. */
  readonly query: Readonly<Record<string, unknown>>;
}

export interface Client {
  /** Nobody in particular only where nobody has to say who he is. */
  readonly userId: string | undefined;
  readonly after: string | undefined;
  /** Whether the session of its token is still open; also while nobody can say. Who came without a token stays. */
  isWelcome(): Promise<boolean>;
}

export type Identify = (introduction: Introduction) => Promise<Client>;

/**
 * Finds out who a client is: by its token (in the header, or in `?token=`, since browsers cannot set headers of a
 * WebSocket), or by `x-user-id` from the gateway, which has looked at the token. Where that is not required, also by what
 * it says itself.
 * @throws Refusal 400, 401, 403, 503
 */
export function createIdentify(verifier: TokenVerifier, { isRequired }: { readonly isRequired: boolean }): Identify {
  return async ({ headers, query }) => {
    const { userId: claimed, token: shown, after } = readInput(clientSchema, query);
    const token = bearerToken(headers.authorization) ?? shown;
    const session = token === undefined ? undefined : await authenticate(verifier, token);
    const known = session?.userId ?? headers['x-user-id'];
    const isWelcome = async () => session === undefined || (await isStillOpen(verifier, session));
    if (typeof known === 'string') {
      refuseOthers(known, claimed);
      return { userId: known, after, isWelcome };
    }
    if (isRequired) throw new Refusal(401, 'USER_REQUIRED', 'Log in: notifications are for users.');
    return { userId: claimed, after, isWelcome };
  };
}

/** @throws Refusal 403 when it is about somebody else */
export function refuseOthers(userId: string, about: string | undefined): void {
  if (about === undefined || about === userId) return;
  throw new Refusal(403, 'OTHER_USER', 'These are the notifications of another user.', { field: 'userId' });
}
