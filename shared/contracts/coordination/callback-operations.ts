import { z } from 'zod';
import type { Operation } from '../operation.ts';
import { coerceInt, coordinationNameSchema, holderSchema, identitySchema, ttlSchema } from './fields.ts';

export const callbackViewSchema = z.object({
  scope: z.string(),
  key: z.string(),
  state: z.enum(['processing', 'done', 'failed']),
  identity: z.string().nullable(),
  token: z.int(),
  attempts: z.int(),
  startedAt: z.int(),
  finishedAt: z.int().nullable(),
  status: z.int().nullable(),
});

export const callbackOperations = {
  listCallbacks: {
    method: 'GET',
    path: '/v1/callbacks',
    auth: 'services',
    query: z.object({
      scope: coordinationNameSchema.optional(),
      state: z.enum(['processing', 'done', 'failed']).optional(),
      limit: coerceInt(1, 1_000).default(100),
    }),
    status: 200,
    response: z.array(callbackViewSchema),
    errors: [],
    summary: 'Callbacks that are remembered',
  },
  getCallback: {
    method: 'GET',
    path: '/v1/callbacks/:scope/:key',
    auth: 'services',
    params: z.object({ scope: coordinationNameSchema, key: coordinationNameSchema }),
    status: 200,
    response: callbackViewSchema,
    errors: ['CALLBACK_NOT_FOUND'],
    summary: 'One callback',
  },
  beginCallback: {
    method: 'POST',
    path: '/v1/callbacks/:scope/:key/begin',
    auth: 'services',
    params: z.object({ scope: coordinationNameSchema, key: coordinationNameSchema }),
    body: z.object({
      holder: holderSchema,
      identity: identitySchema,
      bodySha256: z.string().regex(/^[0-9a-f]{64}$/),
      processingMs: ttlSchema.default(30_000),
    }),
    status: 200,
    response: z.object({
      state: z.enum(['new', 'takeover', 'in-progress', 'done']),
      token: z.int().nullable(),
      retryAfterMs: z.int(),
      answer: z
        .object({ status: z.int(), headers: z.record(z.string(), z.string()), bodyBase64: z.string() })
        .nullable(),
    }),
    errors: ['CALLBACK_MISMATCH'],
    summary: 'Ask whether a delivery is to be processed; after `takeover` find out first whether it took effect',
  },
  extendCallback: {
    method: 'POST',
    path: '/v1/callbacks/:scope/:key/extend',
    auth: 'services',
    params: z.object({ scope: coordinationNameSchema, key: coordinationNameSchema }),
    body: z.object({ holder: holderSchema, processingMs: ttlSchema.default(30_000) }),
    status: 204,
    errors: ['LEASE_LOST'],
    summary: 'Processing goes on',
  },
  completeCallback: {
    method: 'POST',
    path: '/v1/callbacks/:scope/:key/complete',
    auth: 'services',
    params: z.object({ scope: coordinationNameSchema, key: coordinationNameSchema }),
    body: z.object({
      holder: holderSchema,
      status: z.int().min(100).max(599).default(200),
      headers: z.record(z.string().max(100), z.string().max(1_000)).default({}),
      bodyBase64: z.base64().max(1_400_000),
    }),
    status: 204,
    errors: ['LEASE_LOST'],
    summary: 'Store the answer; every later delivery gets it',
  },
  failCallback: {
    method: 'POST',
    path: '/v1/callbacks/:scope/:key/fail',
    auth: 'services',
    params: z.object({ scope: coordinationNameSchema, key: coordinationNameSchema }),
    body: z.object({ holder: holderSchema }),
    status: 204,
    errors: ['LEASE_LOST'],
    summary: 'Processing had no effect; the next delivery may try again',
  },
} as const satisfies Record<string, Operation>;
