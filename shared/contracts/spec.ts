import { z } from 'zod';
import { jobsSchema } from './job.ts';

/**
 * The spec of a service: what should run. It is the user's, immutable once a revision holds it, and never edited by us.
 * Durations are milliseconds, sizes are bytes. The ecosystem file (PM2's names) is translated to this at the edge.
 */

/** Names appear in paths, keys and environment: short, no surprise in a shell or a URL. */
export const serviceNameSchema = z
  .string()
  .regex(
    /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/,
    'must be 1 to 63 letters, digits, ".", "_" or "-", and start with a letter or digit',
  );

export const labelsSchema = z.record(z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9._/-]{0,62}$/), z.string().max(255));

const durationMs = (max: number) => z.int().min(0).max(max);
const dayMs = 86_400_000;

export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in lower-case hex');

/** How many: total over the fleet, one per core of every eligible node, or a count per node on `hosts` nodes. */
export const scaleSchema = z.object({
  instances: z.union([z.int().min(0).max(10_000), z.literal('max')]).default(1),
  hosts: z.union([z.int().min(1).max(1_000), z.literal('all')]).optional(),
});

export const restartPolicySchema = z.object({
  autorestart: z.boolean().default(true),
  maxRestarts: z.int().min(0).max(1_000_000).default(16).describe('Unstable exits in a row before the instance fails'),
  minUptimeMs: durationMs(dayMs).default(1_000).describe('An exit before this uptime is unstable'),
  restartDelayMs: durationMs(dayMs).default(0),
  expBackoffRestartDelayMs: durationMs(dayMs).default(0).describe('First delay; grows by 1.5 to 15 s; 0 is off'),
  stopExitCodes: z.array(z.int().min(0).max(255)).default([]).describe('Exit codes after which there is no restart'),
});

export const probeSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('http'),
    path: z.string().startsWith('/').default('/health'),
    status: z.int().min(100).max(599).optional().describe('Exact status expected; without it any 2xx or 3xx'),
  }),
  z.object({ type: z.literal('tcp') }),
]);

export const healthSchema = z.object({
  probe: probeSchema.optional().describe('Without it an instance is healthy while its process runs and is ready'),
  intervalMs: z.int().min(100).max(600_000).default(3_000),
  timeoutMs: z.int().min(50).max(60_000).default(2_000),
  failures: z.int().min(1).max(100).default(3).describe('Failed probes in a row that make an instance unhealthy'),
  restartAfterMs: durationMs(dayMs)
    .default(30_000)
    .describe('Unhealthy this long: the worker is restarted; 0 is never'),
});

export const updatePolicySchema = z.object({
  order: z.enum(['start-first', 'stop-first']).default('start-first'),
  maxParallel: z
    .int()
    .min(1)
    .max(1_000)
    .optional()
    .describe('Slots replaced at once; default a third of them, at least one'),
  minHealthyMs: durationMs(600_000).default(500).describe('Healthy this long before it counts and gets traffic'),
  healthyDeadlineMs: z
    .int()
    .min(1_000)
    .max(dayMs)
    .default(60_000)
    .describe(
      'From its start to healthy at the latest; artifact and dependencies are brought before, in a time of their own',
    ),
  monitorMs: durationMs(600_000)
    .default(3_000)
    .describe('A failure this soon after healthy still fails the deployment'),
  maxFailures: z.int().min(0).max(1_000).default(0).describe('Failed instances that a deployment tolerates'),
  failureAction: z.enum(['rollback', 'pause']).default('rollback'),
  routeAckTimeoutMs: z.int().min(100).max(600_000).default(15_000).describe('Wait for routers before a stop at most'),
});

export const placementSchema = z.object({
  maxPerNode: z.int().min(1).max(1_000).optional(),
  constraints: z
    .array(
      z
        .string()
        .regex(
          /^\s*node\.(id|name|address|labels\.[\w./-]+)\s*(==|!=)\s*\S.*$/,
          'must read like "node.labels.zone == a"',
        ),
    )
    .max(50)
    .default([]),
  resources: z
    .object({
      cpu: z.number().min(0).max(1_024).default(0).describe('Cores reserved for each instance'),
      memoryBytes: z.int().min(0).default(0).describe('Memory reserved for each instance'),
    })
    .prefault({}),
  onDisconnect: z
    .enum(['keep', 'stop'])
    .default('keep')
    .describe('What a node does when it is cut off from all controllers'),
  stopAfterMs: z
    .int()
    .min(1_000)
    .max(dayMs)
    .default(10_000)
    .describe('For onDisconnect stop: by the monotonic clock of the agent'),
});

/** A route of the built-in router: an own port, or host and path on the shared listener. */
export const routeSchema = z
  .object({
    port: z.int().min(1).max(65_535).optional(),
    host: z.string().min(1).max(253).optional(),
    path: z.string().startsWith('/').max(512).optional(),
  })
  .refine(
    (route) => route.port !== undefined || route.host !== undefined || route.path !== undefined,
    'needs port, host or path',
  );

export const serviceSpecSchema = z.object({
  name: serviceNameSchema,
  scale: scaleSchema.prefault({}),
  script: z.string().min(1).max(4_096),
  args: z.array(z.string().max(65_536)).max(1_000).default([]),
  cwd: z
    .string()
    .max(4_096)
    .default('.')
    .describe('Relative to the artifact; absolute paths are taken on the node as they are'),
  interpreter: z
    .string()
    .max(4_096)
    .optional()
    .describe('Default by file extension; "none" executes the script itself'),
  nodeArgs: z.array(z.string().max(4_096)).max(100).default([]),
  execMode: z.enum(['fork', 'cluster']).default('fork'),
  schedulingPolicy: z
    .enum(['shared', 'round-robin'])
    .default('shared')
    .describe('How cluster workers of one node share connections'),
  env: z.record(z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/), z.string().max(131_072)).default({}),
  instanceVar: z
    .string()
    .regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/)
    .default('NODE_APP_INSTANCE'),
  incrementVar: z
    .string()
    .regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/)
    .optional(),
  waitReady: z.boolean().default(false),
  listenTimeoutMs: z.int().min(100).max(dayMs).default(30_000).describe('Ready by then, or the start has failed'),
  expectListen: z
    .boolean()
    .optional()
    .describe('Ready means listening on PORT; default true when there is a route or a probe'),
  killSignal: z.enum(['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP', 'SIGUSR2', 'SIGKILL']).default('SIGINT'),
  killTimeoutMs: durationMs(dayMs).default(1_600),
  drainTimeoutMs: durationMs(dayMs)
    .default(30_000)
    .describe('Requests in flight may take this long after the routes are gone'),
  treekill: z.boolean().default(true),
  shutdownWithMessage: z.boolean().default(false),
  maxMemoryBytes: z.int().min(0).default(0).describe('Restart above this resident memory; 0 is no limit'),
  restart: restartPolicySchema.prefault({}),
  health: healthSchema.prefault({}),
  update: updatePolicySchema.prefault({}),
  placement: placementSchema.prefault({}),
  routes: z.array(routeSchema).max(50).default([]),
  jobs: jobsSchema.optional().describe('By name; run by the controllers while this revision is the stable one'),
  dependencies: z
    .enum(['install', 'shipped', 'none'])
    .default('install')
    .describe('install: npm ci once per node and lock file'),
  logs: z
    .object({
      maxFileBytes: z.int().min(4_096).default(10_485_760),
      maxFiles: z.int().min(1).max(1_000).default(5),
      time: z.boolean().default(false),
    })
    .prefault({}),
});

export type ServiceSpec = z.infer<typeof serviceSpecSchema>;
export type ServiceSpecInput = z.input<typeof serviceSpecSchema>;
export type Scale = z.infer<typeof scaleSchema>;
export type Route = z.infer<typeof routeSchema>;
export type Probe = z.infer<typeof probeSchema>;
export type UpdatePolicy = z.infer<typeof updatePolicySchema>;
export type RestartPolicy = z.infer<typeof restartPolicySchema>;
