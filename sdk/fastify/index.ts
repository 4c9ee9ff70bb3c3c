/** `import { droverCallback, fence } from 'drover/fastify'` */

export {
  type AddCallbackRoute,
  droverCallback,
  type FastifyCallbackHandler,
  type FastifyCallbackOptions,
} from './callback.ts';
export { fence } from './fence.ts';
