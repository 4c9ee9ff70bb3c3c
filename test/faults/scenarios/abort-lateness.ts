import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { seedBoot } from '../../../shared/coordination/lease/seed-boot.ts';
import { SeededRandom } from '../../simulation/seeded-random.ts';
import { eventually } from '../../support/eventually.ts';
import { createNetworkNamespace, type NetworkNamespace } from '../../support/network-namespace.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import type { HolderSettings } from '../lease/holder.ts';
import { dataDirectoryOf, readAppendOnlyFile } from '../lib/aof.ts';
import { measureLateness } from '../lib/check-aborts.ts';
import { type ClientProcess, startClient } from '../lib/client-process.ts';
import { readHistory } from '../lib/history.ts';
import { viewLeases } from '../lib/lease-view.ts';
import type { MutexKind } from '../lib/mutex.ts';
import type { Scenario, ScenarioOptions, ScenarioResult } from '../lib/scenario.ts';

const program = new URL('../lease/holder.ts', import.meta.url);
/** Leases that one fault hits at once. */
const keyCount = 100;
const ttlMs = 1200;
const prefix = 'faults';
const roundTimeoutMs = 30_000;
/** Of locks, whose holders run the same code as those of leases. */
const boundedFaults = ['redis stopped', 'link frozen', 'holder stopped'];

interface Fault {
  /** In a process that was frozen itself no signal can come in time: there the assertions count. */
  readonly by?: 'assertion';
  begin(stage: Stage): void | Promise<void>;
  end(stage: Stage): void | Promise<void>;
  /** The holder runs in a network of its own. */
  readonly needsNamespace?: true;
}

interface Stage {
  readonly redis: TestRedis;
  readonly proxy: TcpProxy;
  readonly holder: ClientProcess;
  readonly namespace: NetworkNamespace | null;
}

const faults: Record<string, Fault> = {
  'redis stopped': { begin: ({ redis }) => redis.pause(), end: ({ redis }) => redis.resume() },
  'redis killed': { begin: ({ redis }) => redis.kill(), end: ({ redis }) => redis.restart() },
  'link frozen': { begin: ({ proxy }) => proxy.freeze(), end: ({ proxy }) => proxy.heal() },
  'replies dropped': { begin: ({ proxy }) => proxy.dropReplies(), end: healAndReset },
  'connections reset and refused': {
    begin({ proxy }) {
      proxy.refuse();
      proxy.reset();
    },
    end: ({ proxy }) => proxy.heal(),
  },
  'link slow': { begin: ({ proxy }) => proxy.delayBy(ttlMs), end: healAndReset },
  'holder stopped': {
    by: 'assertion',
    async begin({ holder }) {
      holder.pause();
      await sleep(ttlMs * 1.2);
      holder.resume();
    },
    end() {},
  },
  'network cut': {
    needsNamespace: true,
    begin: ({ namespace }) => namespace!.cut(),
    end: ({ namespace }) => namespace!.mend(),
  },
};

function healAndReset({ proxy }: Stage): void {
  proxy.heal();
  proxy.reset();
}

export function abortLateness(kind: MutexKind): Scenario {
  return {
    name: `abort-lateness-${kind}`,
    shows: `a holder of a ${kind} is told to stop before it ends in Redis, whatever fails`,
    run(options) {
      const only = options.isLong || kind === 'lease' ? {} : { only: boundedFaults };
      return measureAborts({ ...options, ...only, kind, rounds: options.isLong ? 10 : 1 });
    },
  };
}

export interface AbortOptions extends ScenarioOptions {
  readonly kind: MutexKind;
  /** Of 100 leases each. */
  readonly rounds: number;
  readonly only?: readonly string[];
}

export async function measureAborts(options: AbortOptions): Promise<ScenarioResult> {
  const figures: Record<string, number> = {};
  const violations: string[] = [];
  let skipped: string | undefined;
  for (const [name, fault] of Object.entries(faults)) {
    if (options.only?.includes(name) === false) continue;
    const made = fault.needsNamespace ? createNetworkNamespace(options.lifetime) : undefined;
    if (made?.namespace === null) {
      skipped = `${name}: ${made.reason}`;
      continue;
    }
    const result = await measureFault(options, fault, made?.namespace ?? null);
    figures[`${name}: faults`] = result.losses;
    figures[`${name}: latest ms`] = result.maxMs;
    violations.push(...result.violations.map((violation) => `${name}: ${violation}`).slice(0, 3));
    options.progress(`${name}: ${result.losses} leases lost, the latest ${-result.maxMs} ms before its end`);
  }
  return { figures, violations, ...(skipped === undefined ? {} : { skipped }) };
}

async function measureFault(options: AbortOptions, fault: Fault, namespace: NetworkNamespace | null) {
  const { kind, rounds, lifetime, seed } = options;
  const random = new SeededRandom(seed);
  const directory = tempDirectory(lifetime, 'drover-faults-');
  const histories = join(directory, 'histories');
  mkdirSync(histories);
  const redis = await startRedis(lifetime, { appendonly: true });
  const client = redis.client();
  await seedBoot(client, prefix);
  const dataDirectory = await dataDirectoryOf(client);
  client.disconnect();
  const host = namespace?.hostAddress ?? '127.0.0.1';
  const proxy = await startTcpProxy(lifetime, redis, host);
  const settings: HolderSettings = {
    ...{ name: 'holder', kind, prefix, ttlMs },
    url: `redis://${host}:${proxy.port}`,
    keys: Array.from({ length: keyCount }, (_, key) => `k${key}`),
    historyFile: join(histories, 'holder.jsonl'),
  };
  const holder = startClient(program, 'holder', settings, namespace?.prefix);
  lifetime.after(() => holder.kill());
  const stage: Stage = { redis, proxy, holder, namespace };

  for (let round = 1; round <= rounds; round++) {
    holder.tell('hold');
    await said(holder, 'holding', round);
    // Anywhere between two renewals.
    await sleep((ttlMs / 3) * (0.5 + random.next()));
    await fault.begin(stage);
    await said(holder, 'lost', round);
    // Until the leases are over: a renewal that was only held up must not make them look longer than they were.
    await sleep(ttlMs * 0.3);
    await fault.end(stage);
  }
  await holder.end();
  const { losses } = readHistory(histories);
  const { grants } = viewLeases(readAppendOnlyFile(dataDirectory), prefix);
  const lateness = measureLateness(losses, grants, fault.by);
  await redis.kill();
  const violations = [...(holder.failure === undefined ? [] : [holder.failure]), ...lateness.late];
  if (lateness.losses !== rounds * keyCount || lateness.unknown > 0) {
    violations.push(
      `${lateness.losses} losses, of which ${lateness.unknown} have no grant; ${rounds * keyCount} expected`,
    );
  }
  return { ...lateness, violations };
}

/** Waits until a client has written a line that often. */
export async function said(client: ClientProcess, word: string, times: number): Promise<void> {
  await eventually(
    () => {
      if (client.failure !== undefined) throw new Error(client.failure);
      return client.lines.filter((line) => line === word).length >= times;
    },
    { timeoutMs: roundTimeoutMs, intervalMs: 5 },
  );
}
