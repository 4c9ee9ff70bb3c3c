import { z } from 'zod';
import {
  desiredSchema,
  idSchema,
  instanceStatusSchema,
  type nodeFactsSchema,
  routerStatusSchema,
  routingTableSchema,
} from './entities.ts';
import { jobRunSchema, jobRunStatusSchema } from './job-run.ts';
import { serviceNameSchema, serviceSpecSchema, sha256Schema } from './spec.ts';

/**
 * Messages between agent and controller over one socket.io connection (TLS, client certificate, path `/v1/session`).
 * Level-triggered: a message only says "look again"; the plan and the report are always whole.
 */
export const sessionPath = '/v1/session';

/** One instance that this node should have; its names become parts of paths there. `spec` is by reference into `revisions` so that env is sent once. */
export const assignmentSchema = z.object({
  instanceId: idSchema,
  service: serviceNameSchema,
  slot: z.int(),
  revision: z.int(),
  port: z.int().nullable(),
  desired: desiredSchema,
  /** In a deployment a crash before the first ready fails the instance at once. */
  failFast: z.boolean(),
  createdAt: z.int(),
});

export const planRevisionSchema = z.object({
  service: serviceNameSchema,
  revision: z.int(),
  artifact: sha256Schema.nullable(),
  spec: serviceSpecSchema,
});

/** How the workers of a node reach what services coordinate through; it becomes part of their environment. */
export const planCoordinationSchema = z.object({
  redisUrl: z.string().nullable().describe('Holds a password. Null: no Redis for services, REST only'),
  prefix: z.string(),
  apiToken: z.string().describe('Bearer token for the coordination operations of the REST API, and no others'),
});

/** All that one node should do. An agent refuses a plan whose (generation, term, version) is older than the one it holds. */
export const planSchema = z.object({
  nodeId: idSchema,
  generation: z.string(),
  term: z.int(),
  version: z.int(),
  assignments: z.array(assignmentSchema),
  revisions: z.array(planRevisionSchema),
  /** Processes of jobs. One that the agent has started is never started again. Absent in plans of older controllers. */
  runs: z.array(jobRunSchema).default([]),
  /** Absent in plans of controllers that are a version older. */
  coordination: planCoordinationSchema.nullable().default(null),
  routes: routingTableSchema.nullable().describe('Null on a node without a router'),
  controllers: z.array(z.string()).describe('URLs of all controllers, to be remembered'),
  removed: z.boolean().describe('This node was removed from the cluster: stop all and leave'),
});

/** All that one node runs and has run lately; sent at each change and with each heartbeat that found a change. */
export const reportSchema = z.object({
  /** Increases with each report of one agent process; an older one that arrives late is ignored. */
  sequence: z.int(),
  /** Version of the plan it answers to. */
  planVersion: z.int(),
  instances: z.array(z.object({ instanceId: idSchema, status: instanceStatusSchema })),
  /** Absent in reports of older agents. */
  runs: z.array(z.object({ runId: idSchema, status: jobRunStatusSchema })).optional(),
  router: routerStatusSchema.omit({ nodeId: true, reportedAt: true }).nullable(),
});

export const heartbeatSchema = z.object({
  counter: z.int().min(1),
  usage: z.object({ cpu: z.number(), memoryBytes: z.int(), load1: z.number() }),
});

export const logQuerySchema = z.object({
  instanceId: idSchema,
  service: serviceNameSchema,
  stream: z.enum(['out', 'err']),
  /** Byte position to read from; null means the last `lines` lines. */
  position: z.int().min(0).nullable(),
  /** Which file the position is in: changes when the file was rotated. */
  file: z.string().nullable(),
  lines: z.int().min(0).max(10_000),
});

export const logChunkSchema = z.object({
  lines: z.array(z.string()),
  position: z.int(),
  file: z.string(),
});

/** The allocations of one look at a host have no more ports together; what is left comes with the next question. */
export const maxAskedPorts = 10_000;
const portSchema = z.int().min(1).max(65_535);

export const listenersQuerySchema = z.object({ ports: z.array(portSchema).max(maxAskedPorts) });

/** Who listens on the ports that were asked about, on any address of the host; those that are not named have nobody. */
export const listenersAnswerSchema = z.object({
  listeners: z.array(
    z.object({
      port: portSchema,
      protocol: z.enum(['tcp', 'udp']),
      address: z.string(),
      /** Null where the agent may not see whose socket it is. */
      pid: z.int().nullable(),
      /** Clock ticks since boot: with the pid it names one process. */
      startTime: z.int().nullable(),
    }),
  ),
});

/** Agent → controller. Each has an acknowledgement. */
export interface AgentToController {
  hello: (message: { facts: NodeFactsMessage; agentId: string }, ack: (reply: Reply<Plan>) => void) => void;
  heartbeat: (message: Heartbeat, ack: (reply: Reply<HeartbeatReply>) => void) => void;
  plan: (message: Record<string, never>, ack: (reply: Reply<Plan>) => void) => void;
  report: (message: Report, ack: (reply: Reply<{ planVersion: number }>) => void) => void;
}

/** Controller → agent. */
export interface ControllerToAgent {
  /** Desired state of this node has changed: fetch the plan. */
  planChanged: (message: { version: number }) => void;
  /** Ask for log lines. Answered within 5 s. */
  logs: (message: LogQuery, ack: (reply: Reply<LogChunk>) => void) => void;
  /** Ask which ports have a listener on this host. Answered within 5 s; an agent that is a version older does not answer. */
  'ports.listening': (message: ListenersQuery, ack: (reply: Reply<ListenersAnswer>) => void) => void;
}

export interface HeartbeatReply {
  readonly planVersion: number;
  /** URLs of all controllers: a new one changes no plan. Absent in replies of controllers that are a version older. */
  readonly controllers?: readonly string[];
}

export type Reply<T> = { ok: true; value: T } | { ok: false; problem: { code: string; detail: string } };
export type NodeFactsMessage = z.infer<typeof nodeFactsSchema>;
export type Assignment = z.infer<typeof assignmentSchema>;
export type PlanRevision = z.infer<typeof planRevisionSchema>;
export type PlanCoordination = z.infer<typeof planCoordinationSchema>;
export type Plan = z.infer<typeof planSchema>;
export type Report = z.infer<typeof reportSchema>;
export type Heartbeat = z.infer<typeof heartbeatSchema>;
export type LogQuery = z.infer<typeof logQuerySchema>;
export type ListenersQuery = z.infer<typeof listenersQuerySchema>;
export type ListenersAnswer = z.infer<typeof listenersAnswerSchema>;
export type LogChunk = z.infer<typeof logChunkSchema>;
