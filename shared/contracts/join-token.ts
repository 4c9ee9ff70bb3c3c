import { DroverError } from './drover-error.ts';

/**
 * A join token names the cluster's authority and carries a secret: `DRVJ-1-<sha256 of the CA's DER, hex>-<id>-<secret>`.
 * The digest lets a host that knows nothing else refuse a false controller (as Swarm's tokens do).
 */
export interface JoinTokenParts {
  readonly caDigest: string;
  readonly id: string;
  readonly secret: string;
}

const form = /^DRVJ-1-([0-9a-f]{64})-([a-z0-9]{8,32})-([A-Za-z0-9_]{24,64})$/;

export function formatJoinToken({ caDigest, id, secret }: JoinTokenParts): string {
  return `DRVJ-1-${caDigest}-${id}-${secret}`;
}

/** @throws DroverError JOIN_TOKEN_INVALID, without the token in its message. */
export function parseJoinToken(token: string): JoinTokenParts {
  const match = form.exec(token.trim());
  if (match === null) {
    throw new DroverError(
      'JOIN_TOKEN_INVALID',
      'The join token is malformed: it must read DRVJ-1-<64 hex digits>-<id>-<secret>. Make a new one with: drover token create',
    );
  }
  const [, caDigest = '', id = '', secret = ''] = match;
  return { caDigest, id, secret };
}
