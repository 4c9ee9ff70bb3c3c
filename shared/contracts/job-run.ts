import { z } from 'zod';
import { idSchema } from './entities.ts';
import { jobNameSchema } from './job.ts';
import { serviceNameSchema, serviceSpecSchema, sha256Schema } from './spec.ts';

/** One process of one tick, on one node. Wanted by the controllers, carried out and reported by the agent of the node. */
export const jobRunSchema = z.object({
  /** Made from service, job and fence, so that whoever starts the same tick again names the same run. */
  runId: idSchema,
  service: serviceNameSchema,
  job: jobNameSchema,
  revision: z.int().min(1),
  artifact: sha256Schema.nullable(),
  /** That of the revision, with script, arguments and environment of the job. Its own, so that it outlives the revision. */
  spec: serviceSpecSchema,
  nodeId: idSchema,
  tickAt: z.int().min(0),
  fence: z.int().min(1),
  /** The claim that this run carries out. */
  claimToken: z.string().min(1).max(128),
  maxRunMs: z.int().min(1),
  desired: z.enum(['run', 'stop']),
});

/**
 * ```
 * waiting → preparing → running → stopping → ended
 * ```
 * States only advance; `ended` is the last word.
 */
export const jobRunStateSchema = z.enum(['waiting', 'preparing', 'running', 'stopping', 'ended']);

export const jobRunStatusSchema = z.object({
  state: jobRunStateSchema,
  /** Null until it has ended. `lost`: what supervised it died, and it was ended by identity. */
  outcome: z.enum(['succeeded', 'failed', 'timed-out', 'stopped', 'lost']).nullable(),
  code: z.int().nullable(),
  signal: z.string().nullable(),
  reason: z.string().max(4_096),
  lastLines: z.array(z.string()).max(100),
  durationMs: z.int().min(0),
});

export type JobRun = z.infer<typeof jobRunSchema>;
export type JobRunStatus = z.infer<typeof jobRunStatusSchema>;
export type JobRunState = z.infer<typeof jobRunStateSchema>;
