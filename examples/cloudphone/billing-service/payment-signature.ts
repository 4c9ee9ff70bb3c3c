import { createHmac, timingSafeEqual } from 'node:crypto';

export interface SignaturePolicy {
  /** What the payment provider and we know. */
  readonly secret: string | undefined;
  /** Whether a delivery without a signature is refused. */
  readonly isRequired: boolean;
}

/** What the header `X-Payment-Signature` of a delivery must be: `sha256=` and the HMAC of its exact bytes. */
export function signPayment(secret: string, body: Buffer): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}

/**
 * Whether the payment provider has sent this. A wrong signature never passes, and without a secret each is wrong; none at
 * all passes where it is not required. Takes equally long wherever a wrong one differs.
 */
export function isSigned(body: Buffer, signature: string | undefined, policy: SignaturePolicy): boolean {
  if (signature === undefined) return !policy.isRequired;
  if (policy.secret === undefined) return false;
  const [given, right] = [signature, signPayment(policy.secret, body)].map((text) => Buffer.from(text));
  return given!.length === right!.length && timingSafeEqual(given!, right!);
}
