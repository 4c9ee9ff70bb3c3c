import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { stopEverything } from '../../agent/stop-everything.ts';
import { type Client, createClient } from '../../sdk/client/create-client.ts';
import { defaultKeyPrefix } from '../../shared/coordination/lease/lease-keys.ts';
import { seedBoot } from '../../shared/coordination/lease/seed-boot.ts';
import { connectRedis } from '../../shared/redis/connect.ts';
import { electionPrefix } from '../../shared/redis/keys.ts';
import { type PrivateServer, startPrivateServer } from '../../shared/redis/private-server.ts';
import { type Child, lastLines, startDrover, stopLeftover } from './child.ts';
import { isPortFree, type PortBlock, reservePortBlock } from './port-block.ts';
import { Hopeless, waitUntil } from './wait-until.ts';

/**
 * A whole cluster on one machine: a private Redis, controllers, and agents that join as hosts with data directories and
 * loopback addresses of their own. `npm start`, the demo, the end-to-end tests and the benchmarks all run on it.
 */
export interface LocalCluster {
  readonly directory: string;
  readonly urls: readonly string[];
  readonly tokenFile: string;
  readonly caFile: string;
  readonly client: Client;
  readonly controllers: readonly LocalController[];
  readonly agents: readonly LocalAgent[];
  readonly redis: LocalRedis;
  /** Where the routers of the hosts listen, in the order of the agents that have one. */
  readonly routerUrls: readonly string[];
  /** Environment for a `drover` command that speaks to this cluster. */
  readonly env: Record<string, string>;
  /** Adds one more host. */
  addAgent(): Promise<LocalAgent>;
  close(): Promise<void>;
}

export interface LocalController {
  readonly name: string;
  readonly url: string;
  readonly data: string;
  readonly logFile: string;
  process: Child;
  start(): Promise<void>;
}

export interface LocalAgent {
  readonly name: string;
  readonly address: string;
  readonly data: string;
  readonly logFile: string;
  readonly ports: PortBlock;
  process: Child;
  /** Starts the agent again on the same data directory. */
  start(): Promise<void>;
}

export interface LocalRedis {
  readonly url: string;
  readonly pid: number | null;
  kill(): Promise<void>;
  start(): Promise<void>;
}

export interface LocalClusterOptions {
  readonly directory: string;
  readonly controllers: number;
  readonly agents: number;
  /** An existing Redis in place of a private one. */
  readonly redisUrl?: string;
  /** Prefix of all keys, so that several clusters may share an existing Redis. */
  readonly keyPrefix?: string;
  /** Addresses of routers by agent; null is no router. Default: a router on the first agent, on a free port. */
  readonly routers?: readonly (string | null)[];
  readonly firstControllerPort?: number;
  /** Ranges of 100 ports from here on, one for each host. Default: ranges that no other local cluster uses. */
  readonly firstNodePort?: number;
  /** Ends calls under way when it aborts. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (message: string) => void;
}

export async function startLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  const { directory, onProgress = () => undefined } = options;
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const takePort = await reservePorts(closers);
    const redis = await startRedis(options, closers, onProgress);
    const controllers: LocalController[] = [];
    const clusterKeyFile = join(directory, 'cluster.key');
    for (let index = 0; index < options.controllers; index += 1) {
      const port = options.firstControllerPort === undefined ? await takePort() : options.firstControllerPort + index;
      const name = `controller-${index + 1}`;
      options.signal?.throwIfAborted();
      onProgress(`${name} on https://127.0.0.1:${port}`);
      const controller = createController({ name, port, directory, clusterKeyFile, options, redisUrl: redis.url });
      closers.push(() => controller.process?.stop() ?? Promise.resolve());
      await controller.start();
      controllers.push(controller);
    }
    const [first] = controllers as [LocalController];
    const urls = controllers.map(({ url }) => url);
    const tokenFile = join(first.data, 'admin-token');
    const caFile = join(first.data, 'ca.pem');
    const token = (await readFile(tokenFile, 'utf8')).trim();
    const client = createClient({
      urls,
      token,
      ca: await readFile(caFile, 'utf8'),
      signal: options.signal ?? new AbortController().signal,
    });
    closers.push(async () => client.close());
    const join_ = await client.createJoinToken({ body: {} });
    const joinTokenFile = join(directory, 'join-token');
    await writeFile(joinTokenFile, `${join_.token}\n`, { mode: 0o600 });

    const agents: LocalAgent[] = [];
    const routers = options.routers ?? [`127.0.0.1:${await takePort()}`];
    const addAgent = async (): Promise<LocalAgent> => {
      const ports =
        options.firstNodePort === undefined
          ? await reservePortBlock()
          : fixedBlock(options.firstNodePort + 100 * agents.length);
      const router = routers[agents.length] ?? null;
      const agent = createAgent({
        index: agents.length,
        directory,
        joinTokenFile,
        controllerUrl: first.url,
        ports,
        router,
      });
      agents.push(agent);
      closers.push(async () => {
        await agent.process?.stop();
        await stopEverything(agent.data);
        await ports.release();
      });
      onProgress(
        `${agent.name} at ${agent.address}, ports ${ports.from}-${ports.to}${router === null ? '' : `, router on ${router}`}`,
      );
      await agent.start();
      return agent;
    };
    for (let index = 0; index < options.agents; index += 1) await addAgent();
    const expectedRouters = routers.filter((router) => router !== null).length;
    await waitUntil(`${options.agents} nodes ready, ${expectedRouters} with a router`, async () => {
      if (options.signal?.aborted) throw new Hopeless('stopped');
      const [nodes, { routers: running }] = await Promise.all([client.listNodes({}), client.getCluster({})]);
      return (
        nodes.filter(({ state }) => state === 'ready').length >= options.agents && running.length >= expectedRouters
      );
    }).catch(async (error: Error) => {
      const logs = await Promise.all(
        agents.map(async ({ name, logFile }) => `--- ${name}\n${await lastLines(logFile, 10)}`),
      );
      throw new Error(`${error.message}\n${logs.join('\n')}`);
    });
    return {
      directory,
      urls,
      tokenFile,
      caFile,
      client,
      controllers,
      agents,
      redis,
      routerUrls: routers.filter((router) => router !== null).map((router) => `http://${router}`),
      env: { DROVER_URL: urls.join(','), DROVER_TOKEN_FILE: tokenFile, DROVER_CA: caFile },
      addAgent,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Ports of the cluster itself, which nobody else is given while it is there: what they are for starts later, or again. */
async function reservePorts(closers: (() => Promise<void>)[]): Promise<() => Promise<number>> {
  const block = await reservePortBlock();
  closers.push(block.release);
  let port = block.from - 1;
  return async () => {
    do port += 1;
    while (!(await isPortFree(port)));
    return port;
  };
}

async function startRedis(
  { directory, redisUrl }: LocalClusterOptions,
  closers: (() => Promise<void>)[],
  onProgress: (message: string) => void,
): Promise<LocalRedis> {
  if (redisUrl !== undefined) {
    const refuse = async () => {
      throw new Error('This Redis was not started by the local cluster');
    };
    return { url: redisUrl, pid: null, kill: refuse, start: refuse };
  }
  const dataDirectory = join(directory, 'redis');
  let server: PrivateServer = await startPrivateServer({ directory: dataDirectory });
  const { url, port } = server;
  if (server.isNew) await seed(url);
  closers.push(() => server.close());
  onProgress(`Redis on 127.0.0.1:${port} with an append-only file`);
  return {
    url,
    get pid() {
      return server.pid;
    },
    async kill() {
      const { pid } = server;
      process.kill(pid, 'SIGKILL');
      await waitUntil('Redis to be gone', async () => !(await isAlive(pid)));
    },
    async start() {
      server = await startPrivateServer({ directory: dataDirectory, port });
    },
  };
}

/** A server that has never held data cannot have lost a lease, so the first election need not wait for one to end. */
async function seed(url: string): Promise<void> {
  const connection = connectRedis(url, 'coord');
  await connection.ready();
  await seedBoot(connection.client, electionPrefix(defaultKeyPrefix));
  await connection.close();
}

interface ControllerSetting {
  readonly name: string;
  readonly port: number;
  readonly directory: string;
  readonly clusterKeyFile: string;
  readonly redisUrl: string;
  readonly options: LocalClusterOptions;
}

function createController({
  name,
  port,
  directory,
  clusterKeyFile,
  redisUrl,
  options,
}: ControllerSetting): LocalController {
  const data = join(directory, name);
  const url = `https://127.0.0.1:${port}`;
  const logFile = join(directory, `${name}.log`);
  const prefix = options.keyPrefix === undefined ? [] : ['--key-prefix', options.keyPrefix];
  const controller: LocalController = {
    name,
    url,
    data,
    logFile,
    process: undefined as unknown as Child,
    async start() {
      await stopLeftover(logFile);
      const args = ['controller', 'start', '--listen', `127.0.0.1:${port}`, '--advertise', url, '--data', data];
      controller.process = startDrover([...args, '--cluster-key-file', clusterKeyFile, ...prefix], {
        logFile,
        env: { DROVER_REDIS_URL: redisUrl },
      });
      await waitUntil(`${name} to listen`, async () => {
        if (!controller.process.isRunning()) throw new Hopeless(`${name} ended:\n${await lastLines(logFile, 15)}`);
        return canConnect(port);
      });
    },
  };
  return controller;
}

interface AgentSetting {
  readonly index: number;
  readonly directory: string;
  readonly joinTokenFile: string;
  readonly controllerUrl: string;
  readonly ports: PortBlock;
  readonly router: string | null;
}

function createAgent({ index, directory, joinTokenFile, controllerUrl, ports, router }: AgentSetting): LocalAgent {
  const name = `host-${index + 1}`;
  const data = join(directory, name);
  const address = `127.0.0.${11 + index}`;
  const logFile = join(directory, `${name}.log`);
  const agent: LocalAgent = {
    name,
    address,
    data,
    logFile,
    ports,
    process: undefined as unknown as Child,
    async start() {
      const args = [
        'agent',
        'join',
        controllerUrl,
        '--token-file',
        joinTokenFile,
        '--data',
        data,
        '--name',
        name,
        '--address',
        address,
      ];
      const more = ['--ports', `${ports.from}-${ports.to}`, ...(router === null ? [] : ['--router', router])];
      agent.process = startDrover([...args, ...more], { logFile });
    },
  };
  return agent;
}

function fixedBlock(from: number): PortBlock {
  return { from, to: from + 99, release: async () => undefined };
}

async function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function isAlive(pid: number): Promise<boolean> {
  const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return state !== '' && !/\) Z /.test(state);
}
