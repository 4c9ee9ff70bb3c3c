import type { FastifyInstance } from 'fastify';
import fastifyPlugin from 'fastify-plugin';

import { isDroverError } from '../../shared/contracts/drover-error.ts';
import { toProblem } from '../../shared/contracts/problem.ts';
import { checkFenceHeader, type FenceHeaderOptions } from '../../shared/coordination/fence/check-fence-header.ts';
import type { FenceToken } from '../../shared/coordination/fence/fence-token.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Of the header `Drover-Fence`, once it was checked; undefined where none was sent and none is required. */
    droverFence: FenceToken | undefined;
  }
}

/**
 * Refuses requests of holders whose time is over, with 412 and problem details FENCE_STALE. Holds for all routes of the
 * scope in which it is registered:
 *
 * ```ts
 * app.register(async (scope) => {
 *   await scope.register(fence, { store: createRedisFenceStore({ redis, prefix: 'stock' }) });
 *   scope.put('/orders/:id', handler);
 * });
 * ```
 */
export const fence = fastifyPlugin<FenceHeaderOptions>(
  async (app: FastifyInstance, options: FenceHeaderOptions) => {
    if (!app.hasRequestDecorator('droverFence')) app.decorateRequest('droverFence', undefined);
    app.addHook('onRequest', async (request, reply) => {
      try {
        request.droverFence = await checkFenceHeader({ url: request.url, headers: request.headers }, options);
      } catch (error) {
        if (!isDroverError(error)) throw error;
        const { status } = error;
        return reply.code(status).type('application/problem+json').send(toProblem(error, request.id));
      }
    });
  },
  { name: 'drover-fence', fastify: '5.x' },
);
