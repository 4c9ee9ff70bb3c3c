import { Refusal } from '../shared/refusal.ts';

const inHex = /^[0-9a-f]{64}$/i;
/** Of RFC 9530: `sha-256=:<base64>:`, perhaps among others. */
const contentDigest = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/;

/**
 * The SHA-256 that the client says the part has, in hex; undefined when it says none.
 * @throws Refusal when it says it in a way that cannot be read
 */
export function readPartDigest(headers: Readonly<Record<string, string | string[] | undefined>>): string | undefined {
  const hex = headers['x-part-sha256'];
  if (hex !== undefined) {
    if (typeof hex === 'string' && inHex.test(hex)) return hex.toLowerCase();
    throw unreadable('x-part-sha256', '64 hexadecimal digits');
  }
  const digests = headers['content-digest'];
  if (digests === undefined) return undefined;
  const base64 = contentDigest.exec(String(digests))?.[1];
  if (base64 === undefined) throw unreadable('content-digest', 'sha-256=:<base64>:');
  return Buffer.from(base64, 'base64').toString('hex');
}

function unreadable(field: string, allowed: string): Refusal {
  return new Refusal(400, 'INPUT_INVALID', `${field} cannot be read`, { field, reason: 'is no SHA-256', allowed });
}
