import { z } from 'zod';
import { parseSchedule } from '../coordination/cron/schedule.ts';
import { isDroverError } from './drover-error.ts';

/**
 * Jobs of a service: what its spec says should be run by the clock. Each execution of the schedule is a tick, named by
 * its nominal instant, and started at most once.
 */

/** Together with the name of the service it becomes part of keys, paths and environment. */
export const jobNameSchema = z
  .string()
  .regex(
    /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/,
    'must be 1 to 63 letters, digits, ".", "_" or "-", and start with a letter or digit',
  );

const dayMs = 86_400_000;

/** A header that could end its line, or the message, would be another request. */
const headerValueSchema = z
  .string()
  .max(8_192)
  .regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'must be one line of printable text');

export const httpRunSchema = z.object({
  type: z.literal('http'),
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).default('POST'),
  path: z
    .string()
    .max(2_048)
    .regex(/^\/[\x21-\x7e]*$/, 'must begin with "/" and hold no blanks'),
  headers: z
    .record(z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/), headerValueSchema)
    .default({})
    .describe('Drover-Run, Drover-Tick and Drover-Fence are added'),
  body: z.string().max(65_536).optional(),
});

export const processRunSchema = z.object({
  type: z.literal('process'),
  script: z.string().min(1).max(4_096).describe('As that of the service: in its artifact, with its interpreter'),
  args: z.array(z.string().max(65_536)).max(1_000).default([]),
  env: z
    .record(z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/), z.string().max(131_072))
    .default({})
    .describe('Laid over the env of the service'),
});

export const jobSpecSchema = z.object({
  schedule: z
    .string()
    .max(256)
    .describe('Cron pattern of 5 fields, or 6 with seconds first')
    .superRefine((pattern, context) => {
      const reason = findPatternProblem(pattern);
      if (reason !== null) context.addIssue({ code: 'custom', message: reason });
    }),
  timeZone: z
    .string()
    .max(64)
    .refine(isTimeZone, 'is no time zone; allowed: IANA names such as "Europe/Berlin"')
    .default('UTC'),
  overlap: z
    .enum(['skip', 'queue', 'replace'])
    .default('skip')
    .describe('A tick that is due while an earlier one runs: left out, run after it, or run in its place'),
  catchUp: z
    .union([
      z.enum(['none', 'last']),
      z.object({
        withinMs: z
          .int()
          .min(1_000)
          .max(31 * dayMs),
      }),
    ])
    .default('last')
    .describe('Ticks that nobody could run: none of them, the last one, or all within a time'),
  maxRunMs: z.int().min(1_000).max(dayMs).default(300_000).describe('A run that takes longer is ended'),
  run: z.discriminatedUnion('type', [httpRunSchema, processRunSchema]),
});

/** More jobs than this in one service belong in a queue of its own. */
const maxJobs = 50;

export const jobsSchema = z
  .record(jobNameSchema, jobSpecSchema)
  .refine((jobs) => Object.keys(jobs).length <= maxJobs, `at most ${maxJobs} jobs`);

export type JobSpec = z.infer<typeof jobSpecSchema>;
export type HttpRun = z.infer<typeof httpRunSchema>;
export type ProcessRun = z.infer<typeof processRunSchema>;

/** In the words of the crons of services, which read patterns the same way. */
function findPatternProblem(pattern: string): string | null {
  try {
    parseSchedule(pattern);
    return null;
  } catch (error) {
    if (!isDroverError(error)) throw error;
    const [issue] = error.issues;
    return `"${pattern}" ${issue?.reason ?? error.message}; allowed: ${issue?.allowed ?? 'a cron pattern'}`;
  }
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
