import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import type { Server as HttpsServer } from 'node:https';
import { join } from 'node:path';
import packageFile from '../package.json' with { type: 'json' };
import { DroverError } from '../shared/contracts/drover-error.ts';
import { describeIssues, toIssues } from '../shared/contracts/issues.ts';
import { readLeader } from '../shared/coordination/election/read-leader.ts';
import { seedBoot } from '../shared/coordination/lease/seed-boot.ts';
import { openCoordination } from '../shared/coordination/open-coordination.ts';
import { connectRedis, type RedisConnection } from '../shared/redis/connect.ts';
import { electionPrefix } from '../shared/redis/keys.ts';
import { parseRedisUrl } from '../shared/redis/redis-url.ts';
import { createStore, leaderElection } from '../shared/redis/store/create-store.ts';
import { systemClock } from '../shared/runtime/clock.ts';
import type { Logger } from '../shared/runtime/logger.ts';
import { createAuthenticator, hashToken } from './api/authenticate.ts';
import { buildApp } from './api/build-app.ts';
import { createHandlers } from './api/handlers/create-handlers.ts';
import { establishCluster } from './authority/establish-cluster.ts';
import { keepServerCertificate, serverNames } from './authority/server-certificate.ts';
import { type ControllerOptions, type ControllerOptionsInput, controllerOptionsSchema } from './config.ts';
import { keepAddressBook } from './discovery/keep-address-book.ts';
import { createJobs } from './jobs/create-jobs.ts';
import { createJobRunStore } from './jobs/job-run-store.ts';
import { createPortReaper } from './port-pools/port-reaper.ts';
import { createPresenceReaper } from './presence-reaper.ts';
import { keepRegistered } from './realtime/keep-registered.ts';
import { createSessionServer } from './realtime/session-server.ts';
import { createRunner } from './runner/create-runner.ts';
import { createReconcile } from './runner/reconcile.ts';
import { createServicesAccess } from './services-access.ts';

export interface RunningController {
  readonly id: string;
  readonly url: string;
  readonly caFile: string;
  /** File that holds the admin token; null on a controller that did not set the cluster up. */
  readonly adminTokenFile: string | null;
  /** Gives up leadership, lets agents move on, and ends; the reverse of the start. */
  close(): Promise<void>;
}

export interface ControllerDeps {
  readonly logger: Logger;
  /** Ends the wait for Redis at the start; the controller itself ends by `close`. */
  readonly signal: AbortSignal;
  /** How often the leader looks at what dead services have left; tests do not wait for the defaults. */
  readonly looksEachMs?: number;
}

/**
 * Starts a controller: waits for Redis, opens or sets up the cluster, listens, and stands for leader.
 * @throws DroverError ARGUMENT_INVALID for options, FILE_* for the cluster key, REQUIREMENT_MISSING when it cannot listen.
 */
export async function startController(
  input: ControllerOptionsInput,
  { logger, signal, looksEachMs }: ControllerDeps,
): Promise<RunningController> {
  const options = parseOptions(input);
  const id = `controller-${randomBytes(4).toString('hex')}`;
  const closers: (() => Promise<unknown> | unknown)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const reconnected = { grant: async () => {} };
    const connections = openConnections(options.redisUrl, logger, () => void reconnected.grant());
    closers.push(() => Promise.all(Object.values(connections).map((connection) => connection.close())));
    const { commands, lease, messages, adapterPub, adapterSub } = connections;
    logger.info('waiting for Redis', { url: options.redisUrl });
    await Promise.all(Object.values(connections).map((connection) => connection.ready(signal)));

    const store = await createStore({
      redis: commands.client,
      subscriber: messages.client,
      prefix: options.keyPrefix,
      logger,
    });
    closers.push(() => store.close());
    const cluster = await establishCluster(store.cluster, {
      data: options.data,
      clusterKeyFile: options.clusterKeyFile ?? join(options.data, 'cluster.key'),
    });
    const { identity, authority, caFile, adminTokenFile } = cluster;

    const servicesPrefix = options.servicesKeyPrefix ?? `${options.keyPrefix}-services`;
    const services = openCoordination({
      url: options.servicesRedisUrl ?? options.redisUrl,
      identity: id,
      prefix: servicesPrefix,
      logger: logger.child({ connection: 'services' }),
    });
    closers.push(() => services.close());
    if (cluster.isNew && options.servicesRedisUrl === undefined) await seedBoot(commands.client, servicesPrefix);
    const servicesToken = `drvs_${cluster.deriveSecret('services-api')}`;
    const access = createServicesAccess({
      redisUrl: options.redisUrl,
      servicesRedisUrl: options.servicesRedisUrl,
      prefix: servicesPrefix,
      redisPassword: cluster.deriveSecret('services-redis'),
      apiToken: servicesToken,
      logger,
    });
    reconnected.grant = () => access.grant(commands.client);
    await reconnected.grant();

    const { host, port } = splitAddress(options.listen);
    const url = options.advertise ?? `https://${host === '0.0.0.0' ? '127.0.0.1' : host}:${port}`;
    const names = serverNames(url, host);
    const issued = await authority.issueServer(names);
    const leader = async () => {
      const current = await readLeader(commands.client, leaderElection, electionPrefix(options.keyPrefix));
      return current === null ? null : { controllerId: current.identity, term: current.term };
    };
    const sessions = { current: null as ReturnType<typeof createSessionServer> | null };
    const app = buildApp({
      handlers: createHandlers({
        store,
        authority,
        identity,
        sessions: {
          readLogs: (nodeId, query) => {
            if (sessions.current === null) throw new DroverError('NODE_UNREACHABLE', 'This controller is starting');
            return sessions.current.readLogs(nodeId, query);
          },
        },
        services,
        leader,
        version: packageFile.version,
        maxArtifactBytes: options.maxArtifactBytes,
        newId,
        newSecret: () => randomBytes(32).toString('base64url').replace(/[-_]/g, '0'),
        nowMs: systemClock.nowMs,
      }),
      authenticator: createAuthenticator(store, hashToken(servicesToken), systemClock.monotonicMs),
      logger,
      version: packageFile.version,
      tls: { key: issued.key, cert: issued.certificate, ca: authority.certificate },
      maxBodyBytes: options.maxArtifactBytes,
      isReady: () => commands.state === 'ready',
    });
    await app.ready();
    const server = app.server as unknown as HttpsServer;
    const jobRuns = createJobRunStore(commands.client, options.keyPrefix);
    const agentSessions = createSessionServer({
      server,
      store,
      jobRuns,
      adapterClients: { pub: adapterPub.client, sub: adapterSub.client },
      keyPrefix: options.keyPrefix,
      controllerUrls: () => registration.urls(),
      coordination: () => access.coordination,
      logger,
    });
    sessions.current = agentSessions;
    const registration = await keepRegistered(store.cluster, { id, url, version: packageFile.version, logger });
    closers.push(() => registration.close());
    closers.push(() => app.close());
    closers.push(() => sessions.current?.close());
    closers.push(keepServerCertificate(server, authority, names, { expiresAt: issued.expiresAt, logger }));
    await listen(server, host, port);

    const runner = createRunner({
      store,
      redis: lease.client,
      subscriber: messages.client,
      prefix: options.keyPrefix,
      controllerId: id,
      clock: systemClock,
      logger,
      createReconcile: () => createReconcile(() => newId('i')),
      ttlMs: options.leaseTtlMs,
      // A server that took over may lack the last writes, the lease among them.
      ...(parseRedisUrl(options.redisUrl).sentinels === undefined ? {} : { guard: 'failover' as const }),
    });
    runner.start();
    closers.push(() => runner.close());
    const jobs = createJobs({
      coordination: services,
      snapshot: () => store.leader.snapshot(),
      onWake: (listener) => store.onWake(listener),
      runs: jobRuns,
      redisUrl: options.redisUrl,
      keyPrefix: options.keyPrefix,
      isLeader: () => runner.isLeader(),
      logger: logger.child({ part: 'jobs' }),
    });
    closers.push(() => jobs.close());
    const addressBook = keepAddressBook({
      coordination: services,
      snapshot: () => store.leader.snapshot(),
      onWake: (listener) => store.onWake(listener),
      term: () => runner.status().term,
    });
    closers.push(() => addressBook.close());
    const looks = looksEachMs === undefined ? {} : { intervalMs: looksEachMs };
    const portReaper = createPortReaper({
      coordination: services,
      nodes: () => store.nodes.list(),
      askListeners: (nodeId, ports) => agentSessions.readListeners(nodeId, ports),
      term: () => runner.status().term,
      ...looks,
    });
    closers.push(() => portReaper.close());
    const presenceReaper = createPresenceReaper({
      coordination: services,
      isLeader: () => runner.isLeader(),
      ...looks,
    });
    closers.push(() => presenceReaper.close());
    logger.info('controller is ready', { id, url, cluster: identity.id, caDigest: authority.digest });
    return { id, url, caFile, adminTokenFile, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function parseOptions(input: ControllerOptionsInput): ControllerOptions {
  const parsed = controllerOptionsSchema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issues = toIssues(parsed.error);
  throw new DroverError('ARGUMENT_INVALID', `The controller cannot start: ${describeIssues(issues)}`, { issues });
}

/** Clients with different duties are never shared: a subscriber cannot send commands, and a slow read must not delay a lease. */
function openConnections(
  url: string,
  logger: Logger,
  onReady: () => void,
): Record<'commands' | 'lease' | 'messages' | 'adapterPub' | 'adapterSub', RedisConnection> {
  const open = (profile: 'coord' | 'pubsub', duty: string) =>
    connectRedis(url, profile, { logger: logger.child({ connection: duty }) });
  return {
    commands: connectRedis(url, 'coord', {
      logger: logger.child({ connection: 'commands' }),
      onStateChange: (state) => state === 'ready' && onReady(),
    }),
    lease: open('coord', 'lease'),
    messages: open('pubsub', 'messages'),
    adapterPub: open('pubsub', 'adapter-pub'),
    adapterSub: open('pubsub', 'adapter-sub'),
  };
}

function splitAddress(listen: string): { host: string; port: number } {
  const colon = listen.lastIndexOf(':');
  return { host: listen.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(listen.slice(colon + 1)) };
}

async function listen(server: HttpsServer, host: string, port: number): Promise<void> {
  server.listen({ host, port });
  try {
    await once(server, 'listening');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === 'EADDRINUSE' ? 'another process listens there; choose another with --listen' : (error as Error).message;
    throw new DroverError('REQUIREMENT_MISSING', `The controller cannot listen on ${host}:${port}: ${why}`, {
      cause: error,
    });
  }
}

const idAlphabet = '0123456789abcdefghijklmnopqrstuvwxyz';

/** 36^10 ids: a collision among a million is less likely than one in five billion. */
function newId(prefix: string): string {
  return `${prefix}-${Array.from({ length: 10 }, () => idAlphabet[randomInt(idAlphabet.length)]).join('')}`;
}
