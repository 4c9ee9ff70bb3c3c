import { z } from 'zod';
import type { Operation } from '../operation.ts';
import { byName, coerceInt, holderSchema, identitySchema } from './fields.ts';

export const cronViewSchema = z.object({
  name: z.string(),
  schedule: z.string(),
  timeZone: z.string(),
  overlap: z.enum(['skip', 'queue', 'replace']),
  paused: z.boolean(),
  nextTickAt: z.int().nullable().describe('ms since 1970'),
  lastTickAt: z.int().describe('Claimed or given up; of a new job, when it was declared'),
  running: z
    .object({ tick: z.int(), runId: z.string(), identity: z.string(), sinceAt: z.int(), token: z.int() })
    .nullable(),
  missed: z.int().describe('Ticks that nobody ran'),
  asked: z.int().describe('Runs that were asked for and wait'),
  hosts: z.array(z.string()).describe('Who has declared it and is alive'),
});

export const cronRunSchema = z.object({
  runId: z.string(),
  tick: z.int(),
  trigger: z.enum(['schedule', 'catch-up', 'manual']),
  identity: z.string(),
  token: z.int(),
  startedAt: z.int(),
  durationMs: z.int(),
  outcome: z.enum(['succeeded', 'failed', 'timed-out', 'lost', 'skipped']),
  result: z.json().optional(),
  error: z.string().optional(),
});

/** How long a run is believed in without a word from who claimed it. */
const runTtlSchema = z.int().min(300).max(3_600_000).default(30_000);
/** A run that was claimed, and by whom. */
const runSchema = z.object({ holder: holderSchema, tick: z.int().describe('As the claim answered it') });

export const cronOperations = {
  listCrons: {
    method: 'GET',
    path: '/v1/crons',
    auth: 'services',
    status: 200,
    response: z.array(cronViewSchema),
    errors: [],
    summary: 'Cron jobs of services, and jobs of service files',
  },
  listCronRuns: {
    method: 'GET',
    path: '/v1/crons/:name/runs',
    auth: 'services',
    params: byName,
    query: z.object({ limit: coerceInt(1, 100).default(20) }),
    status: 200,
    response: z.array(cronRunSchema),
    errors: ['CRON_NOT_FOUND'],
    summary: 'The last runs of a job, newest first',
  },
  pauseCron: {
    method: 'POST',
    path: '/v1/crons/:name/pause',
    auth: 'services',
    params: byName,
    status: 200,
    response: cronViewSchema,
    errors: ['CRON_NOT_FOUND'],
    summary: 'Start no more runs; one under way goes on',
  },
  resumeCron: {
    method: 'POST',
    path: '/v1/crons/:name/resume',
    auth: 'services',
    params: byName,
    status: 200,
    response: cronViewSchema,
    errors: ['CRON_NOT_FOUND'],
    summary: 'Start runs again, from the next tick on',
  },
  triggerCron: {
    method: 'POST',
    path: '/v1/crons/:name/trigger',
    auth: 'services',
    params: byName,
    status: 202,
    response: z.object({ runId: z.string() }),
    errors: ['CRON_NOT_FOUND'],
    summary: 'Run a job once now, on one of those that declare it',
  },
  claimTick: {
    method: 'POST',
    path: '/v1/crons/:name/claim',
    auth: 'services',
    params: byName,
    body: z.object({
      holder: holderSchema,
      identity: identitySchema,
      schedule: z.string().max(200).describe('Cron expression; tells which tick the call is for'),
      timeZone: z.string().max(64).default('UTC'),
      overlap: z.enum(['skip', 'queue', 'replace']).default('skip'),
      runTtlMs: runTtlSchema.describe('Extend the run before this time is over'),
    }),
    status: 200,
    response: z.object({
      claimed: z.boolean(),
      reason: z
        .enum(['claimed', 'taken', 'early', 'running', 'skipped', 'paused', 'superseded'])
        .describe(
          'taken: another has it. running: it waits for an earlier run. superseded: a newer schedule is in force',
        ),
      runId: z.string().nullable(),
      tick: z.int().nullable(),
      token: z.int().nullable(),
      retryAfterMs: z.int(),
    }),
    errors: [],
    summary: 'Claim the tick that is due now: true for one caller only',
  },
  extendRun: {
    method: 'POST',
    path: '/v1/crons/:name/extend',
    auth: 'services',
    params: byName,
    body: runSchema.extend({ runTtlMs: runTtlSchema }),
    status: 204,
    errors: ['LEASE_LOST'],
    summary: 'The claimed run is still under way',
  },
  finishRun: {
    method: 'POST',
    path: '/v1/crons/:name/finish',
    auth: 'services',
    params: byName,
    body: runSchema.extend({
      outcome: z.enum(['succeeded', 'failed']),
      durationMs: z.int().min(0),
      result: z.json().optional(),
      error: z.string().max(2_000).optional(),
    }),
    status: 204,
    errors: ['LEASE_LOST'],
    summary: 'The claimed run has ended',
  },
} as const satisfies Record<string, Operation>;
