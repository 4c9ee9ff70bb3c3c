import { z } from 'zod';
import type { Operation } from '../operation.ts';
import { coerceInt, holderSchema, identitySchema } from './fields.ts';

const scopeSchema = z.string().regex(/^[A-Za-z0-9._-]{1,100}$/, 'must be 1 to 100 of A-Z a-z 0-9 . _ -');
const stateSchema = z.enum(['in-progress', 'unreconciled', 'failed', 'done']);
/** How long an attempt is believed in without a word from who began it. */
const processingSchema = z.int().min(300).max(600_000).default(30_000);
const byCallback = z.object({ scope: scopeSchema, key: z.string().min(1).max(500) });
const bodySha256Schema = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hex')
  .describe('Of the exact bytes');

export const callbackViewSchema = z.object({
  scope: z.string(),
  key: z.string(),
  state: stateSchema.describe('unreconciled: an attempt ended without a result, and nobody knows yet what it did'),
  identity: z.string().describe('Who processes it, or did so last'),
  attempt: z.int(),
  bodyHash: z.string(),
  beganAt: z.int(),
  deadlineAt: z.int().optional(),
  endedAt: z.int().optional(),
  status: z.int().optional(),
});

export const callbackOperations = {
  listCallbacks: {
    method: 'GET',
    path: '/v1/callbacks/:scope',
    auth: 'services',
    params: z.object({ scope: scopeSchema }),
    query: z.object({ state: stateSchema.optional(), limit: coerceInt(1, 1_000).default(100) }),
    status: 200,
    response: z.array(callbackViewSchema),
    errors: [],
    summary: 'Callbacks of one sender that are remembered, newest first',
  },
  getCallback: {
    method: 'GET',
    path: '/v1/callbacks/:scope/:key',
    auth: 'services',
    params: byCallback,
    status: 200,
    response: callbackViewSchema,
    errors: ['CALLBACK_NOT_FOUND'],
    summary: 'One callback',
  },
  beginCallback: {
    method: 'POST',
    path: '/v1/callbacks/:scope/:key/begin',
    auth: 'services',
    params: byCallback,
    body: z.object({
      holder: holderSchema,
      identity: identitySchema,
      bodySha256: bodySha256Schema,
      processingMs: processingSchema.describe('Extend the attempt before this time is over'),
      canReconcile: z
        .boolean()
        .default(false)
        .describe('The caller can find out what an attempt without a result has done, and does so before any effect'),
    }),
    status: 200,
    response: z.object({
      state: z
        .enum(['new', 'takeover', 'in-progress', 'done'])
        .describe('new: process it. takeover: find out first what the earlier attempt did. done: give `answer`'),
      token: z.int().nullable().describe('The fencing token of the attempt'),
      attempt: z.int().nullable(),
      retryAfterMs: z.int(),
      answer: z
        .object({ status: z.int(), headers: z.record(z.string(), z.string()), bodyBase64: z.string() })
        .nullable(),
    }),
    errors: ['CALLBACK_MISMATCH', 'CALLBACK_UNRECONCILED'],
    summary: 'Ask whether a delivery is to be processed',
  },
  extendCallback: {
    method: 'POST',
    path: '/v1/callbacks/:scope/:key/extend',
    auth: 'services',
    params: byCallback,
    body: z.object({ holder: holderSchema, processingMs: processingSchema }),
    status: 204,
    errors: ['LEASE_LOST'],
    summary: 'The attempt goes on',
  },
  completeCallback: {
    method: 'POST',
    path: '/v1/callbacks/:scope/:key/complete',
    auth: 'services',
    params: byCallback,
    body: z.object({
      holder: holderSchema,
      identity: identitySchema,
      bodySha256: bodySha256Schema,
      status: z.int().min(200).max(599).default(200),
      headers: z.record(z.string().max(100), z.string().max(1_000)).default({}),
      bodyBase64: z.base64().max(350_000).default(''),
    }),
    status: 204,
    errors: ['LEASE_LOST'],
    summary: 'Store the answer; every later delivery gets it, byte for byte',
  },
  failCallback: {
    method: 'POST',
    path: '/v1/callbacks/:scope/:key/fail',
    auth: 'services',
    params: byCallback,
    body: z.object({
      holder: holderSchema,
      effect: z
        .enum(['none', 'unknown'])
        .default('none')
        .describe('none: the next delivery may be processed at once. unknown: it has to find out first'),
    }),
    status: 204,
    errors: [],
    summary: 'The attempt ended without an answer',
  },
} as const satisfies Record<string, Operation>;
