/** `import { droverCallback, fence } from 'drover/express'` */

export { droverCallback, type ExpressCallbackHandler, type ExpressCallbackOptions } from './callback.ts';
export { type FenceMiddleware, fence, type WithFence } from './fence.ts';
