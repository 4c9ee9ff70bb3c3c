import { DroverError } from '../../contracts/drover-error.ts';
import { fenceHeaderName, parseFenceHeader } from './fence-header.ts';
import type { FenceStore } from './fence-store.ts';
import { type FenceToken, fenceStale } from './fence-token.ts';

export interface FenceHeaderOptions {
  readonly store: FenceStore;
  /** Whether a request without the header is refused. Default true: one that may be left out protects nothing. */
  readonly required?: boolean;
  /** Which fence the request needs, such as `order:42` from its path; one of another name is refused. */
  readonly nameOf?: (request: { readonly url: string; readonly headers: object }) => string | undefined;
}

interface FencedRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/**
 * What the middlewares do: reads the header, and has the store refuse a token below one it has seen. Between this check and
 * the handler's effect a later holder may come; where that matters, check in the effect's own transaction.
 * Undefined when there is no header and none is required.
 * @throws DroverError FENCE_STALE, ARGUMENT_INVALID for a header that is missing, wrong or of another name,
 *   STORE_UNREACHABLE when the store cannot be asked: nothing is let through that was not checked
 */
export async function checkFenceHeader(
  request: FencedRequest,
  options: FenceHeaderOptions,
): Promise<FenceToken | undefined> {
  const { store, required = true, nameOf } = options;
  const value = request.headers[fenceHeaderName.toLowerCase()];
  if (value === undefined) {
    if (!required) return undefined;
    throw refused('is missing');
  }
  if (typeof value !== 'string') throw refused('is there more than once');
  const fence = parseFenceHeader(value);
  const expected = nameOf?.(request);
  if (expected !== undefined && expected !== fence.name) throw refused('is of another name', expected);
  let isCurrent: boolean;
  try {
    isCurrent = await store.raise(fence);
  } catch (cause) {
    throw new DroverError('STORE_UNREACHABLE', 'The fence could not be checked. Try again.', { cause });
  }
  if (!isCurrent) throw fenceStale(fence);
  return fence;
}

function refused(reason: string, name = '<name>'): DroverError {
  return new DroverError('ARGUMENT_INVALID', `The header ${fenceHeaderName} ${reason}.`, {
    issues: [{ path: fenceHeaderName, reason, allowed: `"${name}";token=<number>` }],
  });
}
