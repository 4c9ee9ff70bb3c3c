import type { callbackOperations } from '../../../shared/contracts/coordination/callback-operations.ts';
import { DroverError } from '../../../shared/contracts/drover-error.ts';
import { decodeAnswer, encodeAnswer } from '../../../shared/coordination/callback/callback-answer.ts';
import {
  type CallbackRecordOptions,
  createCallbackRecord,
} from '../../../shared/coordination/callback/callback-record.ts';
import { createCallbackViews } from '../../../shared/coordination/callback/callback-views.ts';
import { defaultRetentionMs } from '../../../shared/coordination/callback/callbacks.ts';
import type { Handlers } from '../handler.ts';
import { askServices } from './ask-services.ts';
import type { HandlerDeps } from './handler-deps.ts';

type CallbackHandlers = Pick<Handlers, keyof typeof callbackOperations>;

/** Of headers and body together; the contract bounds the body below it. */
const maxResultBytes = 512 * 1024;
/** One who asks over HTTP repeats the request himself. */
const tries = 1;

export function createCallbackHandlers({ services }: Pick<HandlerDeps, 'services'>): CallbackHandlers {
  const views = createCallbackViews(services);
  const recordOf = (
    { scope, key }: { scope: string; key: string },
    { holder, identity = '', ...more }: { holder: string; identity?: string } & Partial<CallbackRecordOptions>,
  ) =>
    createCallbackRecord(
      { ...services, identity },
      { scope, key, token: holder, hash: '', processingMs: 0, retentionMs: defaultRetentionMs, tries, ...more },
    );

  return {
    listCallbacks: async ({ params, query: { state, limit } }) => [
      ...(await askServices(views.list({ ...params, limit, ...(state === undefined ? {} : { state }) }))),
    ],
    async getCallback({ params }) {
      const { answer: _, ...view } = await askServices(views.read(params.scope, params.key));
      return view;
    },
    async beginCallback({ params, body }) {
      const { holder, identity, bodySha256, processingMs, canReconcile } = body;
      const record = recordOf(params, { holder, identity, hash: bodySha256, processingMs });
      const begun = await record.begin(canReconcile, processingMs);
      const nothing = { token: null, attempt: null, retryAfterMs: 0, answer: null };
      switch (begun.kind) {
        case 'run':
          return {
            ...nothing,
            state: begun.takenOver ? ('takeover' as const) : ('new' as const),
            token: begun.epoch,
            attempt: begun.attempt,
          };
        case 'done': {
          const { status, headers, body: bytes } = decodeAnswer(begun.answer);
          const answer = { status, headers: { ...headers }, bodyBase64: bytes.toString('base64') };
          return { ...nothing, state: 'done' as const, answer };
        }
        case 'busy':
        case 'recovering':
          return { ...nothing, state: 'in-progress' as const, retryAfterMs: begun.retryAfterMs };
        case 'mismatch':
          throw new DroverError(
            'CALLBACK_MISMATCH',
            `Callback ${params.key} of ${params.scope} came before with another body`,
            { details: params },
          );
        case 'unreconciled':
          throw new DroverError(
            'CALLBACK_UNRECONCILED',
            `An earlier attempt at callback ${params.key} of ${params.scope} ended without a result. Find out whether it took effect, and begin with canReconcile`,
            { details: params },
          );
      }
    },
    async extendCallback({ params, body: { holder, processingMs } }) {
      const answer = await askServices(recordOf(params, { holder, processingMs }).renew());
      if (answer !== 'renewed') throw lost(params);
      return undefined;
    },
    async completeCallback({ params, body: { holder, identity, bodySha256, status, headers, bodyBase64 } }) {
      const answer = encodeAnswer({ status, headers, body: Buffer.from(bodyBase64, 'base64') }, maxResultBytes);
      const completed = await recordOf(params, { holder, identity, hash: bodySha256 }).complete(answer);
      if (completed.kind !== 'completed') throw lost(params);
      return undefined;
    },
    async failCallback({ params, body: { holder, effect } }) {
      await recordOf(params, { holder }).fail(effect === 'none' ? 'failed' : 'unreconciled');
      return undefined;
    },
  };
}

function lost({ scope, key }: { scope: string; key: string }): DroverError {
  const message = `The attempt at callback ${key} of ${scope} is not the caller's any more: another has taken over, or has answered`;
  return new DroverError('LEASE_LOST', message, { details: { what: `callback ${scope}`, key } });
}
