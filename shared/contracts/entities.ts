import { z } from 'zod';
import {
  labelsSchema,
  scaleSchema,
  serviceNameSchema,
  serviceSpecSchema,
  sha256Schema,
  updatePolicySchema,
} from './spec.ts';

/**
 * What the store holds. Instants are milliseconds since the epoch by the wall clock of whoever wrote them and are for
 * people only; no decision compares instants of two machines. One writer per field: `spec` user, `desired` leader, `status` agent.
 */
export const idSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/);
const instant = z.int().min(0);

// ---- node ------------------------------------------------------------------------------------------------------
export const portRangeSchema = z.object({ from: z.int().min(1_024).max(65_535), to: z.int().min(1_024).max(65_535) });

export const nodeFactsSchema = z.object({
  name: z.string().min(1).max(253).describe('Host name'),
  address: z.string().min(1).max(253).describe('Address at which routers on other nodes reach its workers'),
  cores: z.int().min(1),
  memoryBytes: z.int().min(0),
  ports: portRangeSchema,
  labels: labelsSchema,
  router: z.boolean().describe('Whether this node runs a router'),
  version: z.string(),
});

export const nodeSchema = nodeFactsSchema.extend({
  id: idSchema,
  eligibility: z.enum(['eligible', 'draining', 'ineligible']).describe('Set by users'),
  state: z.enum(['ready', 'disconnected', 'lost']).describe('Set by the leader from heartbeats'),
  joinedAt: instant,
  heartbeat: z.int().min(0).describe('Counter; only its changes mean anything'),
  heartbeatAt: instant,
  usage: z.object({ cpu: z.number(), memoryBytes: z.int(), load1: z.number() }).optional(),
});

// ---- service, revision, deployment -------------------------------------------------------------------------------
/** What a slot should run: a revision, and how often it was reloaded since. An instance fits when both are met. */
export const targetSchema = z.object({ revision: z.int().min(1), generation: z.int().min(0) });

export const serviceSchema = z.object({
  name: serviceNameSchema,
  target: targetSchema,
  stable: targetSchema.nullable().describe('The last target whose deployment succeeded; a rollback goes there'),
  scale: scaleSchema.describe('Of the target revision, or as `scale` set it since'),
  stableScale: scaleSchema
    .optional()
    .describe('As at the last success, or as `scale` set it since; a deploy that fails goes back there'),
  stopped: z.boolean(),
  startedAgain: z
    .array(idSchema)
    .optional()
    .describe('Instances that had finished when a user started the service: their slots are filled once more'),
  deleted: z.boolean(),
  deploymentId: idSchema.nullable().describe('The deployment in progress'),
  lastRevision: z.int().min(0),
  createdAt: instant,
  updatedAt: instant,
});

export const revisionSchema = z.object({
  service: serviceNameSchema,
  revision: z.int().min(1),
  spec: serviceSpecSchema,
  artifact: sha256Schema.nullable().describe('Null when the script is on the nodes already'),
  createdAt: instant,
  createdBy: z.string(),
});

export const deploymentStateSchema = z.enum([
  'rolling',
  'paused',
  'rolling-back',
  'succeeded',
  'rolled-back',
  'failed',
  'superseded',
]);

export const deploymentFailureSchema = z.object({
  instanceId: idSchema,
  slot: z.int(),
  node: z.string(),
  reason: z.string(),
  lastLines: z.array(z.string()),
  probe: z.string().optional().describe('What the probe answered'),
  at: instant,
});

export const deploymentSchema = z.object({
  id: idSchema,
  service: serviceNameSchema,
  kind: z.enum(['deploy', 'rollback', 'reload', 'restart', 'scale']),
  from: targetSchema.nullable().describe('Where a rollback returns to'),
  to: targetSchema,
  state: deploymentStateSchema,
  update: updatePolicySchema.describe('The policy in force'),
  failures: z.array(deploymentFailureSchema),
  reason: z.string().describe('Why it is in this state, in a sentence'),
  progress: z.object({ total: z.int(), updated: z.int(), healthy: z.int() }),
  createdBy: z.string(),
  createdAt: instant,
  endedAt: instant.nullable(),
});

// ---- instance ----------------------------------------------------------------------------------------------------
export const instanceStateSchema = z.enum([
  'assigned',
  'preparing',
  'starting',
  'running',
  'stopping',
  'stopped',
  'failed',
  'lost',
]);
export const desiredSchema = z.enum(['run', 'drain', 'stop']);

export const exitRecordSchema = z.object({
  code: z.int().nullable(),
  signal: z.string().nullable(),
  at: instant,
  uptimeMs: z.int(),
  reason: z.string(),
  lastLines: z.array(z.string()),
});

/** Written by the agent only. `healthySinceMs` is an age by the agent's monotonic clock, so clocks need not agree. */
export const instanceStatusSchema = z.object({
  state: instanceStateSchema,
  health: z.enum(['unknown', 'healthy', 'unhealthy']),
  healthyForMs: z.int().min(0).describe('How long it has been healthy without a break; 0 when it is not'),
  pid: z.int().nullable(),
  port: z.int().nullable().describe('Where it listens'),
  restarts: z.int().min(0),
  reason: z.string().describe('Why it is in this state; empty when all is well'),
  probe: z.string().optional().describe('The last failing answer of its probe'),
  drained: z.boolean().describe('No request is in flight in the worker, as far as the worker can tell'),
  lastExit: exitRecordSchema.nullable(),
  finished: z
    .boolean()
    .optional()
    .describe('It ended by itself, and by autorestart or stop_exit_codes it is to stay so'),
  startedAt: instant.nullable(),
  cpu: z.number().min(0).optional().describe('Cores in use'),
  memoryBytes: z.int().min(0).optional(),
});

export const instanceSchema = z.object({
  id: idSchema,
  service: serviceNameSchema,
  slot: z.int().min(0),
  revision: z.int().min(1),
  generation: z.int().min(0),
  nodeId: idSchema,
  port: z.int().nullable().describe('Leased from the range of its node'),
  deploymentId: idSchema.nullable(),
  desired: desiredSchema,
  drainEpoch: z.int().nullable().describe('The routing epoch that first had it no longer'),
  drainReason: z.string(),
  status: instanceStatusSchema,
  createdAt: instant,
  updatedAt: instant,
});

// ---- routing -----------------------------------------------------------------------------------------------------
export const endpointSchema = z.object({
  instanceId: idSchema,
  revision: z.int(),
  address: z.string(),
  port: z.int(),
  weight: z.number().min(0),
});

export const routedServiceSchema = z.object({
  name: serviceNameSchema,
  routes: z.array(z.object({ port: z.int().optional(), host: z.string().optional(), path: z.string().optional() })),
  endpoints: z.array(endpointSchema),
});

export const routingTableSchema = z.object({
  epoch: z.int().min(0),
  generation: z.string().describe('Changes when the store was set up anew; epochs compare only within one'),
  services: z.array(routedServiceSchema),
});

export const routerStatusSchema = z.object({
  nodeId: idSchema,
  epoch: z.int().min(0),
  generation: z.string(),
  busy: z.array(idSchema).describe('Instances out of the table with requests still in flight'),
  errors: z.array(z.object({ port: z.int(), code: z.string() })),
  listen: z.string().describe('host:port of the shared listener'),
  reportedAt: instant,
});

// ---- the rest ----------------------------------------------------------------------------------------------------
export const joinTokenSchema = z.object({
  id: idSchema,
  createdAt: instant,
  createdBy: z.string(),
  expiresAt: instant.nullable(),
  usesLeft: z.int().nullable().describe('Null is no limit'),
  revoked: z.boolean(),
  labels: labelsSchema,
});

export const artifactSchema = z.object({ digest: sha256Schema, bytes: z.int().min(0), createdAt: instant });

export const controllerSchema = z.object({
  id: idSchema,
  url: z.string(),
  version: z.string(),
  leader: z.boolean(),
  startedAt: instant,
  seenAt: instant,
});

export type Node = z.infer<typeof nodeSchema>;
export type NodeFacts = z.infer<typeof nodeFactsSchema>;
export type Target = z.infer<typeof targetSchema>;
export type Service = z.infer<typeof serviceSchema>;
export type Revision = z.infer<typeof revisionSchema>;
export type Deployment = z.infer<typeof deploymentSchema>;
export type DeploymentState = z.infer<typeof deploymentStateSchema>;
export type DeploymentFailure = z.infer<typeof deploymentFailureSchema>;
export type Instance = z.infer<typeof instanceSchema>;
export type InstanceState = z.infer<typeof instanceStateSchema>;
export type InstanceStatus = z.infer<typeof instanceStatusSchema>;
export type Desired = z.infer<typeof desiredSchema>;
export type ExitRecord = z.infer<typeof exitRecordSchema>;
export type Endpoint = z.infer<typeof endpointSchema>;
export type RoutedService = z.infer<typeof routedServiceSchema>;
export type RoutingTable = z.infer<typeof routingTableSchema>;
export type RouterStatus = z.infer<typeof routerStatusSchema>;
export type JoinToken = z.infer<typeof joinTokenSchema>;
export type Artifact = z.infer<typeof artifactSchema>;
export type Controller = z.infer<typeof controllerSchema>;
