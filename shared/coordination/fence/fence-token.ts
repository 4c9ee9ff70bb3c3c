import { DroverError } from '../../contracts/drover-error.ts';

/** What a holder shows to the resource it writes to. A held lock or lease has both, and so has a term. */
export interface FenceToken {
  /** What the token was given out for; tokens of different names are never compared. */
  readonly name: string;
  /** Above every token given out before under this name; an integer from 1 to 2^53 - 1. */
  readonly token: number;
}

/** A name goes into keys, rows and headers: as long as any sensible one, and short enough for each of them. */
export const maxFenceNameLength = 256;

/** @throws DroverError ARGUMENT_INVALID for an empty or overlong name, and for a token that is no positive safe integer */
export function checkFenceToken({ name, token }: FenceToken): void {
  if (typeof name !== 'string' || name.length === 0 || name.length > maxFenceNameLength || !name.isWellFormed()) {
    throw invalid('name', 'is no name of a fence', `1 to ${maxFenceNameLength} characters of well-formed text`);
  }
  if (!Number.isSafeInteger(token) || token < 1) {
    throw invalid('token', 'is no fencing token', 'an integer from 1 to 2^53 - 1');
  }
}

/** The answer to a holder whose time is over. `highest` is the token that the resource has seen, where it is known. */
export function fenceStale({ name, token }: FenceToken, highest?: number): DroverError {
  const seen = highest === undefined ? 'a later one' : `token ${highest}`;
  const message = `Token ${token} of ${name} is stale: the resource has seen ${seen}. Stop; another holder is at work.`;
  return new DroverError('FENCE_STALE', message, {
    details: { name, token, ...(highest === undefined ? {} : { highest }) },
  });
}

function invalid(path: string, reason: string, allowed: string): DroverError {
  return new DroverError('ARGUMENT_INVALID', `The ${path} ${reason}: ${allowed}.`, {
    issues: [{ path, reason, allowed }],
  });
}
