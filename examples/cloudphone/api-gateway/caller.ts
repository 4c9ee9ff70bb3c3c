import type { FastifyRequest } from 'fastify';
import { bearerToken, isStillOpen, recognize } from '../shared/authenticate.ts';
import { Refusal } from '../shared/refusal.ts';
import type { TokenVerifier } from '../shared/tokens.ts';

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller;
  }
}

export interface Caller {
  /** The user of the token. */
  readonly userId?: string;
  /** Why the request goes no further. Told only once it has been counted, so that guessing is limited too. */
  readonly refusal?: Refusal;
  /** Settles when the session of the token has been looked up: before, nothing may take effect or be answered. */
  readonly confirmed?: Promise<void>;
  /** For sockets, which outlive their request: whether the session of the token is still open. Undefined without a token. */
  readonly isWelcome?: () => Promise<boolean>;
}

/** `gateway`: the token is looked at here, and the service is told the user. `service`: the service looks at it. */
export type CheckedBy = 'gateway' | 'service';

export interface CallerOptions {
  readonly verifier: TokenVerifier;
  /** Whether a request without a token is refused. A wrong token always is. */
  readonly isTokenRequired: boolean;
}

/** Finds out for whom a request asks. `x-user-id` of a client is its own invention, and goes no further. */
export function findCaller({ verifier, isTokenRequired }: CallerOptions) {
  return async (request: FastifyRequest, checkedBy: CheckedBy): Promise<Caller> => {
    delete request.headers['x-user-id'];
    if (checkedBy === 'service') return {};
    try {
      const token = bearerToken(request.headers.authorization) ?? tokenOfSocket(request);
      if (token === undefined && !isTokenRequired) return {};
      const { confirmed, ...session } = await recognize(verifier, token);
      return { userId: session.userId, confirmed, isWelcome: () => isStillOpen(verifier, session) };
    } catch (error) {
      if (error instanceof Refusal) return { refusal: error };
      throw error;
    }
  };
}

/** Browsers cannot give a WebSocket a header; its token is in the address. */
function tokenOfSocket({ headers, url }: FastifyRequest): string | undefined {
  if (headers.upgrade?.toLowerCase() !== 'websocket') return undefined;
  return new URL(url, 'http://gateway').searchParams.get('token') ?? undefined;
}
