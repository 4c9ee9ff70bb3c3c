import { randomUUID } from 'node:crypto';
import { io, type Socket } from 'socket.io-client';
import type { z } from 'zod';
import {
  type AgentToController,
  type ControllerToAgent,
  type Heartbeat,
  type HeartbeatReply,
  type ListenersAnswer,
  type ListenersQuery,
  type LogChunk,
  type LogQuery,
  listenersQuerySchema,
  logQuerySchema,
  type Plan,
  planSchema,
  type Reply,
  type Report,
  sessionPath,
} from '../../shared/contracts/agent-session.ts';
import { DroverError, isDroverError } from '../../shared/contracts/drover-error.ts';
import type { NodeFacts } from '../../shared/contracts/entities.ts';
import { describeIssues, toIssues } from '../../shared/contracts/issues.ts';
import { backoffMs } from '../../shared/runtime/backoff.ts';
import type { Clock } from '../../shared/runtime/clock.ts';
import type { Logger } from '../../shared/runtime/logger.ts';
import type { NodeIdentity } from '../join/identity.ts';
import type { KnownControllers } from './known-controllers.ts';

/** A controller that has not answered by then is passed over for the next one. */
const connectTimeoutMs = 2_000;
/** Answers take a few milliseconds; with the interval below a dead link is left after 3 s at most. */
const answerTimeoutMs = 2_000;
const heartbeatIntervalMs = 1_000;
/** Between two rounds over all controllers; short, because a host without a controller cannot be given new work. */
const reconnectBackoff = { baseMs: 200, maxMs: 2_000 } as const;

/** A session that its controller ends sooner counts as refused, so that the pause between fruitless rounds holds for it too. */
const shortSessionMs = 1_000;

/** A controller that cannot serve (its store is away) may be the only one in trouble: after so many, another is tried. */
const refusalsBeforeMoving = 3;

type SessionSocket = Socket<ControllerToAgent, AgentToController>;

export interface SessionOptions {
  readonly identity: NodeIdentity;
  readonly facts: NodeFacts;
  readonly controllers: KnownControllers;
  readonly usage: () => Heartbeat['usage'];
  /** A plan that a controller holds for valid now; older ones arrive too. False: it was not taken, so ask again. */
  onPlan(plan: Plan): boolean;
  /** A session has begun; its controller knows nothing of what was reported to others. */
  onConnected(): void;
  /** The controller answered something that was sent at this instant of the monotonic clock. */
  onContact(sentAtMs: number): void;
  readLogs(query: LogQuery): Promise<LogChunk>;
  readListeners(query: ListenersQuery): Promise<ListenersAnswer>;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** The agent's connection to whichever controller answers; it moves on by itself when that one goes away. */
export class Session {
  readonly #options: SessionOptions;
  readonly #agentId = randomUUID();
  readonly #closing = new AbortController();
  readonly #finished: Promise<void>;
  #socket: SessionSocket | null = null;
  #refusal = '';
  #planVersion = -1;
  #heartbeats = 0;
  #fetching: Promise<void> | null = null;
  #fetchAgain = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#finished = this.#run();
  }

  get connected(): boolean {
    return this.#socket !== null;
  }

  /** Sends a report. False when there is no session or it did not answer: the next session asks for a whole report. */
  async report(report: Report): Promise<boolean> {
    const socket = this.#socket;
    if (socket === null) return false;
    try {
      const { planVersion } = await this.#ask<{ planVersion: number }>(socket, 'report', report);
      this.#noteVersion(socket, planVersion);
      return true;
    } catch (error) {
      if (!isDroverError(error)) socket.disconnect();
      this.#options.logger.warn('the report was not taken', { reason: (error as Error).message });
      return false;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#socket?.disconnect();
    await this.#finished;
  }

  async #run(): Promise<void> {
    const { controllers, logger, clock } = this.#options;
    const { signal } = this.#closing;
    let round = 0;
    let lost: string | null = null;
    while (!signal.aborted) {
      for (const url of controllers.inTurn(lost)) {
        if (signal.aborted) return;
        const ended = await this.#serve(url);
        if (ended === 'refused') continue;
        lost = url;
        round = -1;
        break;
      }
      // After a session the next controller is tried at once; only fruitless rounds are slowed down.
      if (round >= 0) {
        if (round === 0) {
          logger.warn('no controller answers; workers go on', {
            controllers: controllers.current,
            reason: this.#refusal,
          });
        }
        await clock.sleep(100 + backoffMs(round, reconnectBackoff, Math.random), signal);
      }
      round += 1;
    }
  }

  /** Holds one session from its beginning to its end. */
  async #serve(url: string): Promise<'refused' | 'ended'> {
    const { identity, logger, clock, onConnected } = this.#options;
    const ended = Promise.withResolvers<void>();
    const socket: SessionSocket = io(url, {
      path: sessionPath,
      transports: ['websocket'],
      reconnection: false,
      forceNew: true,
      timeout: connectTimeoutMs,
      ca: identity.authority,
      cert: identity.certificate,
      key: identity.key,
    });
    try {
      await connected(socket, this.#closing.signal);
      socket.on('disconnect', () => ended.resolve());
      this.#answerQuestions(socket);
      const plan = await this.#hello(socket);
      this.#socket = socket;
      logger.info('connected', { controller: url });
      this.#take(plan);
      onConnected();
      const beganAtMs = clock.monotonicMs();
      await this.#beat(socket, ended.promise);
      logger.warn('the session has ended', { controller: url });
      if (clock.monotonicMs() - beganAtMs >= shortSessionMs) return 'ended';
      this.#refusal = 'it ended the session at once';
      return 'refused';
    } catch (error) {
      this.#refusal = (error as Error).message;
      logger.debug('no session', { controller: url, reason: this.#refusal });
      return 'refused';
    } finally {
      this.#socket = null;
      socket.disconnect();
    }
  }

  async #hello(socket: SessionSocket): Promise<Plan> {
    const { facts } = this.#options;
    return planSchema.parse(await this.#ask<Plan>(socket, 'hello', { facts, agentId: this.#agentId }));
  }

  #answerQuestions(socket: SessionSocket): void {
    const { readLogs, readListeners } = this.#options;
    socket.on('planChanged', ({ version }) => this.#noteVersion(socket, version));
    socket.on('logs', (query, ack) => {
      void settle(async () => readLogs(parseQuery('logs', logQuerySchema, query))).then(ack);
    });
    socket.on('ports.listening', (query, ack) => {
      void settle(async () => readListeners(parseQuery('ports.listening', listenersQuerySchema, query))).then(ack);
    });
  }

  async #beat(socket: SessionSocket, ended: Promise<void>): Promise<void> {
    const { usage, controllers, clock } = this.#options;
    let refusals = 0;
    while (socket.connected) {
      const rested = new AbortController();
      await Promise.race([ended, clock.sleep(heartbeatIntervalMs, rested.signal)]);
      rested.abort();
      if (!socket.connected) return;
      this.#heartbeats += 1;
      try {
        const beat = { counter: this.#heartbeats, usage: usage() };
        // The library holds back what is sent on a connection that it is about to close: then no answer is to come.
        const reply = await Promise.race([this.#ask<HeartbeatReply>(socket, 'heartbeat', beat), ended]);
        if (reply === undefined) return;
        controllers.learn(reply.controllers ?? []);
        this.#noteVersion(socket, reply.planVersion);
        refusals = 0;
      } catch (error) {
        refusals += 1;
        if (!isDroverError(error) || refusals >= refusalsBeforeMoving) return;
      }
    }
  }

  #noteVersion(socket: SessionSocket, version: number): void {
    // Not "greater": a store that was set up anew counts from the beginning.
    if (version === this.#planVersion) return;
    if (this.#fetching !== null) {
      this.#fetchAgain = true;
      return;
    }
    this.#fetching = this.#fetchPlan(socket).finally(() => {
      this.#fetching = null;
      if (!this.#fetchAgain) return;
      this.#fetchAgain = false;
      this.#noteVersion(socket, version);
    });
  }

  /** The version counts as known only once its plan was taken: one that a full disk or an outdated replica spoilt is fetched again. */
  #take(plan: Plan): void {
    this.#options.controllers.learn(plan.controllers);
    if (this.#options.onPlan(plan)) this.#planVersion = plan.version;
  }

  async #fetchPlan(socket: SessionSocket): Promise<void> {
    try {
      this.#take(planSchema.parse(await this.#ask<Plan>(socket, 'plan', {})));
    } catch (error) {
      // The next heartbeat names the version again.
      this.#options.logger.warn('the plan could not be fetched', { reason: (error as Error).message });
    }
  }

  /** @throws DroverError what the controller answered; an ordinary error when it did not answer. */
  async #ask<T>(socket: SessionSocket, name: keyof AgentToController, message: unknown): Promise<T> {
    const sentAtMs = this.#options.clock.monotonicMs();
    // The names and messages are typed where they are called; the library's overloads cannot follow a name in a variable.
    const timed = socket.timeout(answerTimeoutMs) as unknown as {
      emitWithAck(name: string, message: unknown): Promise<Reply<T>>;
    };
    const reply = await timed.emitWithAck(name, message);
    if (!reply.ok) throw new DroverError(reply.problem.code as DroverError['code'], reply.problem.detail);
    this.#options.onContact(sentAtMs);
    return reply.value;
  }
}

function connected(socket: SessionSocket, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => reject(new Error('closing'));
  const timer = setTimeout(() => reject(new Error(`no session within ${connectTimeoutMs} ms`)), connectTimeoutMs);
  signal.addEventListener('abort', abort, { once: true });
  socket.once('connect', resolve);
  socket.once('connect_error', reject);
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  });
}

async function settle<T>(act: () => Promise<T>): Promise<Reply<T>> {
  try {
    return { ok: true, value: await act() };
  } catch (error) {
    const code = isDroverError(error) ? error.code : 'INTERNAL';
    return { ok: false, problem: { code, detail: (error as Error).message } };
  }
}

/** @throws DroverError ARGUMENT_INVALID, because the names in a query become parts of paths. */
function parseQuery<T>(name: string, schema: z.ZodType<T>, query: unknown): T {
  const parsed = schema.safeParse(query);
  if (parsed.success) return parsed.data;
  const issues = toIssues(parsed.error);
  throw new DroverError('ARGUMENT_INVALID', `${name}: ${describeIssues(issues)}`, { issues });
}
