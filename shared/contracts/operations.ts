import { z } from 'zod';
import { callbackOperations } from './coordination/callback-operations.ts';
import { channelOperations } from './coordination/channel-operations.ts';
import { cronOperations } from './coordination/cron-operations.ts';
import { discoveryOperations } from './coordination/discovery-operations.ts';
import { lockOperations } from './coordination/lock-operations.ts';
import { portOperations } from './coordination/port-operations.ts';
import {
  artifactSchema,
  controllerSchema,
  deploymentSchema,
  instanceSchema,
  joinTokenSchema,
  nodeFactsSchema,
  nodeSchema,
  revisionSchema,
  routerStatusSchema,
  serviceSchema,
} from './entities.ts';
import { eventSchema } from './events.ts';
import type { Operation } from './operation.ts';
import { labelsSchema, scaleSchema, serviceNameSchema, serviceSpecSchema, sha256Schema } from './spec.ts';

const byService = z.object({ name: serviceNameSchema });
const byId = z.object({ id: z.string().min(1).max(128) });
const accepted = z.object({
  service: serviceNameSchema,
  revision: z.int(),
  deploymentId: z.string().nullable().describe('Null when nothing has to change'),
});
const coerceInt = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

export const serviceViewSchema = serviceSchema.extend({
  revision: revisionSchema.describe('The target revision'),
  deployment: deploymentSchema.nullable().describe('In progress, or the last one'),
  instances: z.array(instanceSchema),
});

export const planServiceResultSchema = z.object({
  service: serviceNameSchema,
  exists: z.boolean(),
  fromRevision: z.int().nullable(),
  changes: z.array(
    z.object({
      path: z.string(),
      before: z.string().nullable().describe('Secrets are masked'),
      after: z.string().nullable(),
      consequence: z.string().describe('For example "replaces every instance", "changes only the count"'),
    }),
  ),
  replaces: z.int().describe('Instances to be replaced'),
  adds: z.int(),
  removes: z.int(),
  placements: z.array(z.object({ slot: z.int(), node: z.string().nullable(), reason: z.string() })),
  warnings: z.array(z.string()),
});

export const putServiceBodySchema = z.object({
  spec: serviceSpecSchema,
  artifact: sha256Schema.nullable(),
  ifRevision: z.int().min(0).optional().describe('Refuse unless this is the latest revision; 0 is "does not exist"'),
  idempotencyKey: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe('A retry with the same key answers as the first call did'),
});

export const clusterSchema = z.object({
  id: z.string(),
  version: z.string(),
  generation: z.string(),
  leader: z.object({ controllerId: z.string(), url: z.string(), term: z.int() }).nullable(),
  controllers: z.array(controllerSchema),
  routers: z.array(routerStatusSchema),
  routingEpoch: z.int(),
  caDigest: sha256Schema,
});

export const joinResultSchema = z.object({
  nodeId: z.string(),
  certificate: z.string().describe('PEM'),
  ca: z.string().describe('PEM'),
  controllers: z.array(z.string()),
});

export const logLineSchema = z.object({
  instanceId: z.string(),
  service: z.string(),
  slot: z.int(),
  node: z.string(),
  stream: z.enum(['out', 'err']),
  line: z.string(),
});

/** The one table of REST operations. Routes, `/openapi.json`, the client and the reference pages are all made from it. */
export const operations = {
  getCluster: {
    method: 'GET',
    path: '/v1/cluster',
    auth: 'token',
    status: 200,
    response: clusterSchema,
    errors: [],
    summary: 'The cluster: controllers, leader, routers, digest of its certificate authority',
  },
  getCertificateAuthority: {
    method: 'GET',
    path: '/v1/ca',
    auth: 'none',
    status: 200,
    response: z.object({ ca: z.string() }),
    errors: [],
    summary: 'The certificate of the cluster authority (PEM); compare its digest with the one in your join token',
  },
  joinNode: {
    method: 'POST',
    path: '/v1/nodes',
    auth: 'none',
    status: 201,
    response: joinResultSchema,
    body: z.object({
      token: z.string().max(256),
      csr: z.string().max(16_384).describe('PKCS #10, PEM'),
      facts: nodeFactsSchema,
      eligibility: z
        .enum(['eligible', 'ineligible'])
        .default('eligible')
        .describe('ineligible gets no instances: a host for routers only'),
    }),
    errors: ['JOIN_TOKEN_INVALID'],
    summary: 'Register a host and receive its certificate',
  },
  listNodes: {
    method: 'GET',
    path: '/v1/nodes',
    auth: 'token',
    status: 200,
    response: z.array(nodeSchema),
    errors: [],
    summary: 'All nodes',
  },
  getNode: {
    method: 'GET',
    path: '/v1/nodes/:id',
    auth: 'token',
    params: byId,
    status: 200,
    response: nodeSchema,
    errors: ['NODE_NOT_FOUND'],
    summary: 'One node, by id or name',
  },
  updateNode: {
    method: 'PATCH',
    path: '/v1/nodes/:id',
    auth: 'token',
    params: byId,
    status: 200,
    response: nodeSchema,
    body: z.object({
      eligibility: z.enum(['eligible', 'draining', 'ineligible']).optional(),
      labels: labelsSchema.optional(),
    }),
    errors: ['NODE_NOT_FOUND'],
    summary: 'Drain a node, make it eligible again, or change its labels',
  },
  removeNode: {
    method: 'DELETE',
    path: '/v1/nodes/:id',
    auth: 'token',
    params: byId,
    status: 204,
    errors: ['NODE_NOT_FOUND', 'STATE_CONFLICT'],
    summary: 'Forget a node that is lost or drained; its certificate is of no use afterwards',
  },
  createJoinToken: {
    method: 'POST',
    path: '/v1/join-tokens',
    auth: 'token',
    status: 201,
    body: z.object({
      ttlMs: z.int().min(1_000).max(2_592_000_000).nullable().default(86_400_000).describe('Null never expires'),
      uses: z.int().min(1).max(1_000).nullable().default(null).describe('Null is no limit'),
      labels: labelsSchema.default({}),
    }),
    response: joinTokenSchema.extend({ token: z.string().describe('Shown once') }),
    errors: [],
    summary: 'Make a token with which hosts may join',
  },
  listJoinTokens: {
    method: 'GET',
    path: '/v1/join-tokens',
    auth: 'token',
    status: 200,
    response: z.array(joinTokenSchema),
    errors: [],
    summary: 'Join tokens, without their secrets',
  },
  revokeJoinToken: {
    method: 'DELETE',
    path: '/v1/join-tokens/:id',
    auth: 'token',
    params: byId,
    status: 204,
    errors: ['TOKEN_NOT_FOUND'],
    summary: 'Make a join token useless',
  },
  listServices: {
    method: 'GET',
    path: '/v1/services',
    auth: 'token',
    status: 200,
    response: z.array(serviceViewSchema),
    errors: [],
    summary: 'All services with their instances',
  },
  getService: {
    method: 'GET',
    path: '/v1/services/:name',
    auth: 'token',
    params: byService,
    status: 200,
    response: serviceViewSchema,
    errors: ['SERVICE_NOT_FOUND'],
    summary: 'One service with its instances',
  },
  putService: {
    method: 'PUT',
    path: '/v1/services/:name',
    auth: 'token',
    params: byService,
    body: putServiceBodySchema,
    status: 202,
    response: accepted,
    errors: ['REVISION_CONFLICT', 'IDEMPOTENCY_MISMATCH', 'ARTIFACT_NOT_FOUND'],
    summary: 'Deploy: make a new revision the target',
  },
  planService: {
    method: 'POST',
    path: '/v1/services/:name/plan',
    auth: 'token',
    params: byService,
    status: 200,
    response: planServiceResultSchema,
    body: z.object({ spec: serviceSpecSchema, artifact: sha256Schema.nullable() }),
    errors: [],
    summary: 'What a deploy would change, and where instances would go',
  },
  deleteService: {
    method: 'DELETE',
    path: '/v1/services/:name',
    auth: 'token',
    params: byService,
    status: 202,
    response: accepted,
    errors: ['SERVICE_NOT_FOUND'],
    summary: 'Stop all instances and forget the service',
  },
  scaleService: {
    method: 'POST',
    path: '/v1/services/:name/scale',
    auth: 'token',
    params: byService,
    body: scaleSchema,
    status: 202,
    response: accepted,
    errors: ['SERVICE_NOT_FOUND', 'STATE_CONFLICT'],
    summary: 'Change how many instances run',
  },
  reloadService: {
    method: 'POST',
    path: '/v1/services/:name/reload',
    auth: 'token',
    params: byService,
    status: 202,
    response: accepted,
    errors: ['SERVICE_NOT_FOUND', 'STATE_CONFLICT'],
    summary: 'Replace every instance by a new one of the same revision, one batch after the other',
  },
  restartService: {
    method: 'POST',
    path: '/v1/services/:name/restart',
    auth: 'token',
    params: byService,
    status: 202,
    response: accepted,
    errors: ['SERVICE_NOT_FOUND', 'STATE_CONFLICT'],
    summary: 'Stop and start all instances at once, as PM2 restart does',
  },
  stopService: {
    method: 'POST',
    path: '/v1/services/:name/stop',
    auth: 'token',
    params: byService,
    status: 202,
    response: accepted,
    errors: ['SERVICE_NOT_FOUND'],
    summary: 'Stop all instances and keep the service',
  },
  startService: {
    method: 'POST',
    path: '/v1/services/:name/start',
    auth: 'token',
    params: byService,
    status: 202,
    response: accepted,
    errors: ['SERVICE_NOT_FOUND'],
    summary: 'Start a stopped service, or what of it has exited',
  },
  rollbackService: {
    method: 'POST',
    path: '/v1/services/:name/rollback',
    auth: 'token',
    params: byService,
    body: z.object({
      to: z
        .int()
        .min(1)
        .optional()
        .describe('Default: the last revision that was deployed with success before the target'),
    }),
    status: 202,
    response: accepted,
    errors: ['SERVICE_NOT_FOUND', 'REVISION_NOT_FOUND', 'STATE_CONFLICT'],
    summary: 'Deploy an older revision',
  },
  listRevisions: {
    method: 'GET',
    path: '/v1/services/:name/revisions',
    auth: 'token',
    params: byService,
    status: 200,
    response: z.array(revisionSchema),
    errors: ['SERVICE_NOT_FOUND'],
    summary: 'Revisions, newest first',
  },
  listDeployments: {
    method: 'GET',
    path: '/v1/deployments',
    auth: 'token',
    query: z.object({ service: serviceNameSchema.optional(), limit: coerceInt(1, 1_000).default(50) }),
    status: 200,
    response: z.array(deploymentSchema),
    errors: [],
    summary: 'Deployments, newest first',
  },
  getDeployment: {
    method: 'GET',
    path: '/v1/deployments/:id',
    auth: 'token',
    params: byId,
    status: 200,
    response: deploymentSchema,
    errors: ['DEPLOYMENT_NOT_FOUND'],
    summary: 'One deployment',
  },
  listInstances: {
    method: 'GET',
    path: '/v1/instances',
    auth: 'token',
    query: z.object({ service: serviceNameSchema.optional(), node: z.string().optional() }),
    status: 200,
    response: z.array(instanceSchema),
    errors: [],
    summary: 'Instances',
  },
  getInstance: {
    method: 'GET',
    path: '/v1/instances/:id',
    auth: 'token',
    params: byId,
    status: 200,
    response: instanceSchema,
    errors: ['INSTANCE_NOT_FOUND'],
    summary: 'One instance',
  },
  getLogs: {
    method: 'GET',
    path: '/v1/logs',
    auth: 'token',
    query: z.object({
      service: serviceNameSchema.optional(),
      instance: z.string().optional(),
      stream: z.enum(['out', 'err', 'all']).default('all'),
      lines: coerceInt(0, 10_000).default(15),
      follow: z.enum(['true', 'false']).default('false'),
    }),
    status: 200,
    response: logLineSchema,
    stream: 'sse',
    errors: ['SERVICE_NOT_FOUND', 'INSTANCE_NOT_FOUND', 'NODE_UNREACHABLE'],
    summary: 'Log lines of all services, of one, or of an instance, from all nodes',
  },
  getEvents: {
    method: 'GET',
    path: '/v1/events',
    auth: 'token',
    query: z.object({
      after: z.string().optional().describe('Id of the last event seen; also the Last-Event-ID header'),
      service: serviceNameSchema.optional(),
      deployment: z.string().optional(),
      limit: coerceInt(1, 10_000).default(100),
      follow: z.enum(['true', 'false']).default('true'),
    }),
    status: 200,
    response: eventSchema,
    stream: 'sse',
    errors: [],
    summary: 'What happened: who did what and why',
  },
  getArtifact: {
    method: 'GET',
    path: '/v1/artifacts/:digest',
    auth: 'any',
    params: z.object({ digest: sha256Schema }),
    status: 200,
    response: artifactSchema,
    errors: ['ARTIFACT_NOT_FOUND'],
    summary: 'Whether an artifact is there, and its size',
  },
  putArtifact: {
    method: 'PUT',
    path: '/v1/artifacts/:digest',
    auth: 'token',
    params: z.object({ digest: sha256Schema }),
    bodyType: 'application/octet-stream',
    status: 201,
    response: artifactSchema,
    errors: ['ARTIFACT_MISMATCH', 'ARTIFACT_TOO_LARGE'],
    summary: 'Upload an artifact (gzip tarball) under its SHA-256',
  },
  getArtifactContent: {
    method: 'GET',
    path: '/v1/artifacts/:digest/content',
    auth: 'any',
    params: z.object({ digest: sha256Schema }),
    status: 200,
    stream: 'binary',
    errors: ['ARTIFACT_NOT_FOUND'],
    summary: 'The bytes of an artifact',
  },
  ...lockOperations,
  ...cronOperations,
  ...callbackOperations,
  ...discoveryOperations,
  ...portOperations,
  ...channelOperations,
} as const satisfies Record<string, Operation>;

export type OperationName = keyof typeof operations;
export type ServiceView = z.infer<typeof serviceViewSchema>;
export type PlanServiceResult = z.infer<typeof planServiceResultSchema>;
export type PutServiceBody = z.infer<typeof putServiceBodySchema>;
export type Cluster = z.infer<typeof clusterSchema>;
export type LogLine = z.infer<typeof logLineSchema>;
