import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { eventually } from './eventually.ts';
import type { Lifetime } from './lifetime.ts';
import { ownPort } from './own-port.ts';
import { tempDirectory } from './temp-directory.ts';

export interface SentinelNode {
  readonly port: number;
  /** Of its append-only file. */
  readonly directory: string;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  start(): Promise<void>;
  pause(): void;
  resume(): void;
}

/** Three data nodes and three Sentinels that watch them; a write needs one replica that keeps up. */
export interface SentinelSet {
  /** `redis+sentinel://…`, for `openCoordination`. */
  readonly url: string;
  readonly nodes: readonly SentinelNode[];
  /** As a majority of the Sentinels says. */
  master(): Promise<SentinelNode>;
  /** Whether the master has both others as replicas that keep up: the set can lose one more. */
  isWhole(): Promise<boolean>;
}

export interface SentinelSetOptions {
  /** Where all of it listens; default 127.0.0.1. */
  readonly address?: string;
  /** Where the first master is instead: `inside` goes before its command. */
  readonly first?: { readonly address: string; readonly inside: readonly string[] };
}

/** Far above a hiccup of a busy machine, far below what a test can wait. */
const downAfterMs = 1500;
const nodeCount = 3;
const sentinelCount = 3;
const setpriv = '/usr/bin/setpriv';
const masterName = 'drover';

/** Starts all six processes on free ports; they go with the test. */
export async function startSentinelSet(t: Lifetime, options: SentinelSetOptions = {}): Promise<SentinelSet> {
  const { address = '127.0.0.1', first = { address, inside: [] } } = options;
  const root = tempDirectory(t, 'drover-sentinel-');
  const running = new Set<ChildProcess>();
  t.after(async () => {
    await Promise.all([...running].map((child) => end(child)));
  });

  async function end(child: ChildProcess): Promise<void> {
    running.delete(child);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async function launch(program: string[], port: number, place: typeof first): Promise<ChildProcess> {
    const ending = existsSync(setpriv) ? [setpriv, '--pdeathsig', 'KILL'] : [];
    const [command, ...args] = [...place.inside, ...ending, ...program];
    const child = spawn(command!, args, { stdio: 'ignore' });
    running.add(child);
    await eventually(() => ask(place.address, port, (redis) => redis.ping()), { timeoutMs: 10_000, intervalMs: 50 });
    return child;
  }

  const ports = await freePorts(nodeCount + sentinelCount);
  const nodes = await Promise.all(
    ports.slice(0, nodeCount).map(async (port, index): Promise<SentinelNode> => {
      const directory = join(root, `node-${index}`);
      mkdirSync(directory);
      const file = join(directory, 'redis.conf');
      const place = index === 0 ? first : { address, inside: [] };
      const follows = index === 0 ? [] : [`replicaof ${first.address} ${ports[0]}`];
      writeFileSync(file, [...nodeConfig(place.address, port, directory), ...follows, ''].join('\n'));
      let child = await launch(['redis-server', file], port, place);
      return {
        port,
        directory,
        kill: () => end(child),
        async start() {
          child = await launch(['redis-server', file], port, place);
        },
        pause: () => void child.kill('SIGSTOP'),
        resume: () => void child.kill('SIGCONT'),
      };
    }),
  );
  await eventually(() => ask(first.address, ports[0]!, async (redis) => (await replicasOf(redis)) === nodeCount - 1), {
    timeoutMs: 15_000,
    intervalMs: 100,
  });

  const sentinelPorts = ports.slice(nodeCount);
  await Promise.all(
    sentinelPorts.map(async (port, index) => {
      const directory = join(root, `sentinel-${index}`);
      mkdirSync(directory);
      const file = join(directory, 'sentinel.conf');
      const master = { address: first.address, port: ports[0]! };
      writeFileSync(file, sentinelConfig({ address, port }, master, directory).join('\n'));
      // The same program: Debian's package of that name is a link to it.
      await launch(['redis-server', file, '--sentinel'], port, { address, inside: [] });
    }),
  );
  await eventually(() => everySentinelKnowsAll(address, sentinelPorts), { timeoutMs: 20_000, intervalMs: 100 });

  async function isWhole(): Promise<boolean> {
    const { port } = await master();
    const place = port === nodes[0]!.port ? first.address : address;
    return (await ask(place, port, replicasOf)) === nodeCount - 1;
  }

  async function master(): Promise<SentinelNode> {
    const answers = await Promise.all(sentinelPorts.map((port) => masterPort(address, port)));
    const port = answers.find((answer) => answers.filter((other) => other === answer).length * 2 > sentinelCount);
    const node = nodes.find((candidate) => candidate.port === port);
    if (node === undefined) throw new Error(`The Sentinels do not agree on a master: ${answers.join(', ')}`);
    return node;
  }

  return {
    url: `redis+sentinel://${sentinelPorts.map((port) => `${address}:${port}`).join(',')}/${masterName}`,
    nodes,
    master,
    isWhole,
  };
}

function nodeConfig(address: string, port: number, directory: string): string[] {
  return [
    `bind ${address}`,
    // Between the ends of a test's own cable there is nobody else.
    'protected-mode no',
    `port ${port}`,
    `dir ${directory}`,
    `logfile ${join(directory, 'redis.log')}`,
    'save ""',
    'appendonly yes',
    'appendfsync everysec',
    'auto-aof-rewrite-percentage 0',
    'maxmemory-policy noeviction',
    'repl-diskless-sync-delay 0',
    'repl-ping-replica-period 1',
    'min-replicas-to-write 1',
    'min-replicas-max-lag 2',
  ];
}

interface Endpoint {
  readonly address: string;
  readonly port: number;
}

function sentinelConfig({ address, port }: Endpoint, firstMaster: Endpoint, directory: string): string[] {
  return [
    `bind ${address}`,
    `port ${port}`,
    `dir ${directory}`,
    `logfile ${join(directory, 'sentinel.log')}`,
    `sentinel monitor ${masterName} ${firstMaster.address} ${firstMaster.port} 2`,
    `sentinel down-after-milliseconds ${masterName} ${downAfterMs}`,
    `sentinel failover-timeout ${masterName} 10000`,
    `sentinel parallel-syncs ${masterName} 2`,
    '',
  ];
}

async function replicasOf(redis: Redis): Promise<number> {
  return Number(/connected_slaves:(\d+)/.exec(await redis.info('replication'))?.[1] ?? 0);
}

async function everySentinelKnowsAll(address: string, ports: readonly number[]): Promise<boolean> {
  const known = await Promise.all(
    ports.map((port) =>
      ask(address, port, async (redis) => {
        const info = await redis.info('sentinel');
        return info.includes(`slaves=${nodeCount - 1},sentinels=${sentinelCount}`);
      }),
    ),
  );
  return known.every(Boolean);
}

async function masterPort(address: string, sentinel: number): Promise<number | undefined> {
  try {
    return await ask(address, sentinel, async (redis) => {
      const answer = (await redis.call('SENTINEL', 'get-master-addr-by-name', masterName)) as [string, string] | null;
      return answer === null ? undefined : Number(answer[1]);
    });
  } catch {
    return undefined;
  }
}

async function ask<T>(host: string, port: number, question: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({
    ...{ port, host, lazyConnect: true, maxRetriesPerRequest: 0, connectTimeout: 1000 },
    commandTimeout: 1000,
    retryStrategy: () => null,
    enableReadyCheck: false,
  });
  redis.on('error', () => {});
  try {
    await redis.connect();
    return await question(redis);
  } finally {
    redis.disconnect();
  }
}

/** All at once, so that no two are the same. */
async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  while (found.size < count) found.add(await ownPort());
  return [...found];
}
