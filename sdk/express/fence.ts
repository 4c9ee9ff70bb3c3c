import type { IncomingMessage, ServerResponse } from 'node:http';

import { isDroverError } from '../../shared/contracts/drover-error.ts';
import { toProblem } from '../../shared/contracts/problem.ts';
import { checkFenceHeader, type FenceHeaderOptions } from '../../shared/coordination/fence/check-fence-header.ts';
import type { FenceToken } from '../../shared/coordination/fence/fence-token.ts';

/** What a request has once the middleware has let it through; undefined where no header was sent and none is required. */
export interface WithFence {
  droverFence?: FenceToken | undefined;
}

export type FenceMiddleware = (
  request: IncomingMessage & WithFence,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * Refuses requests of holders whose time is over, with 412 and problem details FENCE_STALE. For Express and everything
 * that calls `(request, response, next)`: `app.put('/orders/:id', fence({ store }), handler)`.
 */
export function fence(options: FenceHeaderOptions): FenceMiddleware {
  return (request, response, next) => {
    checkFenceHeader({ url: request.url ?? '', headers: request.headers }, options).then(
      (checked) => {
        request.droverFence = checked;
        next();
      },
      (error: unknown) => {
        if (!isDroverError(error)) return next(error);
        const body = JSON.stringify(toProblem(error));
        response.writeHead(error.status, { 'content-type': 'application/problem+json; charset=utf-8' }).end(body);
      },
    );
  };
}
