import { DroverError } from '../../contracts/drover-error.ts';
import { checkFenceToken, type FenceToken, maxFenceNameLength } from './fence-token.ts';

/** Says to an HTTP service on behalf of which holder a request is made. */
export const fenceHeaderName = 'Drover-Fence';

/**
 * The value of the header `Drover-Fence`, such as `"order:42";token=1790000000000001`:
 *
 *     Drover-Fence = DQUOTE name DQUOTE ";token=" number
 *     name         = 1*( %x20-21 / %x23-24 / %x26-5B / %x5D-7E / pct-encoded )   ; printable ASCII but " % \
 *     pct-encoded  = "%" 2HEXDIG                                                 ; an octet of the name in UTF-8
 *     number       = %x31-39 *15DIGIT                                            ; 1 to 2^53 - 1
 *
 * It has the form of a structured field (RFC 9651), except that a token may have 16 digits where those have 15.
 * @throws DroverError ARGUMENT_INVALID for what is no name or no token
 */
export function fenceHeader(fence: FenceToken): string {
  checkFenceToken(fence);
  const name = fence.name.replace(/[^\x20-\x7e]+|["%\\]/gu, (text) => {
    const hex = Buffer.from(text, 'utf8').toString('hex').toUpperCase();
    return hex.replace(/../g, '%$&');
  });
  return `"${name}";token=${fence.token}`;
}

const grammar = /^"((?:[\x20\x21\x23\x24\x26-\x5b\x5d-\x7e]|%[0-9A-Fa-f]{2})+)";token=([1-9]\d{0,15})$/;

/** Each character takes twelve at most: four octets of three characters. The rest is for quotes and token. */
const maxHeaderLength = maxFenceNameLength * 12 + 32;

/**
 * Reads the header strictly: what does not fit the grammar is refused, because a fence that is guessed protects nothing.
 * @throws DroverError ARGUMENT_INVALID
 */
export function parseFenceHeader(value: string): FenceToken {
  const match = value.length <= maxHeaderLength ? grammar.exec(value.trim()) : null;
  const name = match === null ? undefined : decode(match[1]!);
  const token = Number(match?.[2]);
  if (name === undefined || name.length > maxFenceNameLength || !Number.isSafeInteger(token)) {
    throw new DroverError('ARGUMENT_INVALID', `The header ${fenceHeaderName} cannot be read.`, {
      issues: [{ path: fenceHeaderName, reason: 'does not fit the grammar', allowed: '"<name>";token=<number>' }],
    });
  }
  return { name, token };
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
