import type { Server as HttpsServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { createAdapter } from '@socket.io/redis-adapter';
import type { Redis } from 'ioredis';
import { Server, type Socket } from 'socket.io';
import { z } from 'zod';
import {
  type AgentToController,
  type ControllerToAgent,
  heartbeatSchema,
  type ListenersAnswer,
  type LogChunk,
  type LogQuery,
  listenersAnswerSchema,
  type Plan,
  type PlanCoordination,
  type Reply,
  reportSchema,
  sessionPath,
} from '../../shared/contracts/agent-session.ts';
import { DroverError, isDroverError } from '../../shared/contracts/drover-error.ts';
import { nodeFactsSchema } from '../../shared/contracts/entities.ts';
import type { ErrorCode } from '../../shared/contracts/error-code.ts';
import { describeIssues, toIssues } from '../../shared/contracts/issues.ts';
import type { JobRun, JobRunStatus } from '../../shared/contracts/job-run.ts';
import type { Store, WakeHint } from '../../shared/redis/store/store.ts';
import { systemClock } from '../../shared/runtime/clock.ts';
import type { Logger } from '../../shared/runtime/logger.ts';
import { nodeIdOf } from '../api/authenticate.ts';
import { buildPlan } from './build-plan.ts';
import { SnapshotCache } from './snapshot-cache.ts';

/** The sessions of agents that are attached to this replica, and the way to agents on any replica. */
export interface SessionServer {
  /** @throws DroverError NODE_UNREACHABLE when no replica holds a session of the node, or it does not answer in time. */
  readLogs(nodeId: string, query: LogQuery): Promise<LogChunk>;
  /**
   * Which of these ports have a listener on the host of the node.
   * @throws DroverError NODE_UNREACHABLE as above, and for an answer that cannot be read: then nothing is known.
   */
  readListeners(nodeId: string, ports: readonly number[]): Promise<ListenersAnswer>;
  connectedHere(): string[];
  close(): Promise<void>;
}

export interface SessionServerDeps {
  readonly server: HttpsServer;
  readonly store: Store;
  /** Two clients of their own: the adapter subscribes on the second. */
  readonly adapterClients: { readonly pub: Redis; readonly sub: Redis };
  /** The processes of jobs: part of the plans, and of the reports. */
  readonly jobRuns?: {
    list(): Promise<readonly { readonly run: JobRun }[]>;
    report(nodeId: string, runs: readonly { readonly runId: string; readonly status: JobRunStatus }[]): Promise<void>;
  };
  readonly keyPrefix: string;
  readonly controllerUrls: () => readonly string[];
  readonly coordination: () => PlanCoordination | null;
  readonly logger: Logger;
}

/** An agent that stays silent this long is dropped; with the interval below a dead link is seen within 4 s. */
const pingTimeoutMs = 2_000;
const pingIntervalMs = 2_000;
/** From the connection to the look at its certificate; who says nothing by then is no agent. */
const introductionTimeoutMs = 5_000;
/** A report of two thousand instances with last lines fits many times over. */
const messageBytes = 16 * 1_048_576;
const agentAnswerMs = 5_000;

export function createSessionServer(deps: SessionServerDeps): SessionServer {
  const { server, store, logger, controllerUrls, coordination } = deps;
  const io = new Server<AgentToController, ControllerToAgent>(server, {
    path: sessionPath,
    transports: ['websocket'],
    serveClient: false,
    pingInterval: pingIntervalMs,
    pingTimeout: pingTimeoutMs,
    connectTimeout: introductionTimeoutMs,
    maxHttpBufferSize: messageBytes,
    adapter: createAdapter(deps.adapterClients.pub, deps.adapterClients.sub, {
      key: `${deps.keyPrefix}:sessions`,
      requestsTimeout: agentAnswerMs,
    }),
  });
  const snapshots = new SnapshotCache(() => store.leader.snapshot(), systemClock.monotonicMs);

  io.use((socket, next) => {
    try {
      socket.data.nodeId = nodeIdOf(socket.request.socket as TLSSocket);
      next();
    } catch (error) {
      next(error as Error);
    }
  });

  io.on('connection', (socket) => serve(socket, socket.data.nodeId as string));

  const planOf = async (nodeId: string): Promise<Plan> => {
    const snapshot = await snapshots.current();
    // After the snapshot: what is newer than its version does no harm, what is older would undo what another plan has said.
    const runs = (await deps.jobRuns?.list())?.map(({ run }) => run);
    return buildPlan(nodeId, snapshot, controllerUrls(), coordination(), runs);
  };

  const serve = (socket: AgentSocket, nodeId: string): void => {
    const answer = <T>(name: string, schema: z.ZodType<T>, act: (message: T) => Promise<unknown>) => {
      const listener = async (message: unknown, ack: unknown) => {
        if (typeof ack !== 'function') return;
        ack(await settle(name, nodeId, schema, message, act));
      };
      socket.on(name as keyof AgentToController, listener as never);
    };
    answer('hello', z.object({ facts: nodeFactsSchema, agentId: z.string().max(128) }), async ({ facts, agentId }) => {
      socket.data.agentId = agentId;
      // One that was removed while it was away is told by its plan to stop all and leave.
      if (await store.nodes.wasRemoved(nodeId)) return planOf(nodeId);
      await store.nodes.hello(nodeId, facts);
      leaveOlder(socket, nodeId);
      await socket.join(roomOf(nodeId));
      logger.info('agent connected', { nodeId });
      return planOf(nodeId);
    });
    answer('heartbeat', heartbeatSchema, async ({ usage }) => ({
      planVersion: snapshots.note(await store.nodes.heartbeat(nodeId, usage)),
      controllers: controllerUrls(),
    }));
    answer('plan', z.object({}), () => planOf(nodeId));
    answer('report', reportSchema, async (report) => {
      if (report.runs !== undefined) await deps.jobRuns?.report(nodeId, report.runs);
      // Its reports are numbered over all of its sessions: one that was read late here says less than what came elsewhere.
      const agentId = socket.data.agentId ?? socket.id;
      return { planVersion: snapshots.note(await store.instances.report(nodeId, agentId, report)) };
    });
    socket.on('disconnect', (reason) => logger.info('agent disconnected', { nodeId, reason }));
  };

  /**
   * The newest session of a node is the true one; an older one here is a dead link that has not noticed yet. One on
   * another replica ends by its ping: telling replicas would race with an agent that has just moved there.
   */
  const leaveOlder = (newest: AgentSocket, nodeId: string): void => {
    for (const socket of io.of('/').sockets.values()) {
      if (socket !== newest && socket.data.nodeId === nodeId) socket.disconnect(true);
    }
  };

  const settle = async <T>(
    name: string,
    nodeId: string,
    schema: z.ZodType<T>,
    message: unknown,
    act: (message: T) => Promise<unknown>,
  ): Promise<Reply<unknown>> => {
    const parsed = schema.safeParse(message);
    if (!parsed.success) return refusal('ARGUMENT_INVALID', `${name}: ${describeIssues(toIssues(parsed.error))}`);
    try {
      return { ok: true, value: await act(parsed.data) };
    } catch (error) {
      if (isDroverError(error)) return refusal(error.code, error.message);
      logger.error('session message failed', { nodeId, name, error });
      return refusal('INTERNAL', 'The controller met a defect of its own');
    }
  };

  const stopListening = store.onWake((hint: WakeHint) => {
    snapshots.note(hint.version);
    if (hint.kind === 'report') return;
    for (const socket of io.of('/').sockets.values()) {
      const nodeId = socket.data.nodeId as string;
      if (hint.nodes === undefined || hint.nodes.includes(nodeId))
        socket.emit('planChanged', { version: hint.version });
    }
  });

  /** The one answer of the agent of a node, attached to whichever replica. */
  const askAgent = async <T>(nodeId: string, ask: (agents: AskedAgents) => Promise<Reply<T>[]>): Promise<T> => {
    let replies: Reply<T>[];
    try {
      replies = await ask(io.in(roomOf(nodeId)).timeout(agentAnswerMs));
    } catch (error) {
      // A dead link to the same node may be silent while the living one has answered.
      replies = (error as { responses?: Reply<T>[] }).responses ?? [];
      if (replies.length === 0)
        throw new DroverError('NODE_UNREACHABLE', `Node ${nodeId} did not answer within ${agentAnswerMs} ms`, {
          cause: error,
        });
    }
    const reply = replies[0];
    if (reply === undefined)
      throw new DroverError('NODE_UNREACHABLE', `Node ${nodeId} is not connected to any controller`);
    if (!reply.ok) throw new DroverError(reply.problem.code as ErrorCode, reply.problem.detail);
    return reply.value;
  };

  return {
    readLogs: (nodeId, query) => askAgent(nodeId, (agents) => agents.emitWithAck('logs', query)),
    async readListeners(nodeId, ports) {
      const query = { ports: [...ports] };
      const answer = await askAgent(nodeId, (agents) => agents.emitWithAck('ports.listening', query));
      const parsed = listenersAnswerSchema.safeParse(answer);
      if (parsed.success) return parsed.data;
      throw new DroverError('NODE_UNREACHABLE', `Node ${nodeId} gave an answer that cannot be read`, {
        cause: parsed.error,
      });
    },
    connectedHere: () => [...io.of('/').sockets.values()].map((socket) => socket.data.nodeId as string),
    async close() {
      stopListening();
      // Agents of this replica move on to another at once; the HTTPS server is closed by the app that owns it.
      io.local.disconnectSockets(true);
      // The adapter's subscriptions end with its clients, which the caller closes; its own goodbye to a Redis that does
      // not answer is a rejection that nobody can catch.
      io.engine.close();
    },
  };
}

type AgentSocket = Socket<AgentToController, ControllerToAgent>;
type AskedAgents = ReturnType<ReturnType<Server<AgentToController, ControllerToAgent>['in']>['timeout']>;

function roomOf(nodeId: string): string {
  return `node:${nodeId}`;
}

function refusal(code: ErrorCode, detail: string): Reply<never> {
  return { ok: false, problem: { code, detail } };
}
