import { join } from 'node:path';

import { seedBoot } from '../../../shared/coordination/lease/seed-boot.ts';
import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { eventually } from '../../support/eventually.ts';
import { createNetworkNamespace } from '../../support/network-namespace.ts';
import { startSentinelSet } from '../../support/sentinel.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import { type ClientProcess, startClient } from '../lib/client-process.ts';
import { judgePartition, type Written } from '../lib/judge-partition.ts';
import type { MutexKind } from '../lib/mutex.ts';
import { openLifetime } from '../lib/open-lifetime.ts';
import type { Scenario, ScenarioOptions, ScenarioResult } from '../lib/scenario.ts';
import type { Belief, SideSettings } from '../partition/side.ts';

export interface PartitionOptions extends ScenarioOptions {
  readonly kind: MutexKind;
  /** Of servers and processes of their own, each. */
  readonly rounds: number;
}

const program = new URL('../partition/side.ts', import.meta.url);
const keyCount = 50;
const ttlMs = 1500;
const prefix = 'faults';
/** Noticing (1.5 s), electing, promoting, and one ttl of grace. */
const takeOverMs = 30_000;

export function partition(kind: 'lease' | 'lock'): Scenario {
  return {
    name: `partition-${kind}`,
    shows: `with the master and some clients cut off from all others, each ${kind} is let go there before it is granted here`,
    run: (options) => runPartition({ ...options, kind, rounds: options.isLong ? 10 : 1 }),
  };
}

export async function runPartition(options: PartitionOptions): Promise<ScenarioResult> {
  const figures = { partitions: 0, keys: 0, overlaps: 0, 'smallest margin ms': Number.POSITIVE_INFINITY, refused: 0 };
  const violations: string[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const lifetime = openLifetime();
    options.lifetime.after(() => lifetime.end());
    const result = await runRound({ ...options, lifetime });
    await lifetime.end();
    if ('skipped' in result) return { figures: {}, violations: [], skipped: result.skipped };
    figures.partitions += 1;
    figures.keys += keyCount;
    figures.overlaps += result.overlaps;
    figures.refused += result.refused;
    figures['smallest margin ms'] = Math.min(figures['smallest margin ms'], result.marginMs);
    violations.push(...result.violations);
    options.progress(
      `let go ${result.marginMs} ms before the other side had it; ${result.refused} stale writes refused`,
    );
  }
  return { figures, violations };
}

async function runRound(options: PartitionOptions) {
  const { kind, lifetime } = options;
  const { namespace, reason } = createNetworkNamespace(lifetime);
  if (namespace === null) return { skipped: reason };
  const set = await startSentinelSet(lifetime, {
    address: namespace.hostAddress,
    first: { address: namespace.insideAddress, inside: namespace.prefix },
  });
  const observer = openCoordination({ url: set.url, identity: 'observer', prefix });
  await observer.ready();
  await seedBoot(observer.redis, prefix, 'failover');
  await observer.close();

  const clients: ClientProcess[] = [];
  lifetime.after(async () => void (await Promise.all(clients.map((one) => one.kill()))));
  const resourceFile = join(tempDirectory(lifetime, 'drover-faults-'), 'resource.sqlite');
  const start = (name: string, inside: readonly string[]) => {
    const keys = Array.from({ length: keyCount }, (_, key) => `k${key}`);
    const settings: SideSettings = { name, url: set.url, kind, prefix, keys, ttlMs, resourceFile };
    const client = startClient(program, name, settings, inside);
    clients.push(client);
    return client;
  };
  const cutOff = start('cut-off', namespace.prefix);
  await ask(cutOff, 'take');
  await ask(cutOff, 'write');
  const other = start('other', []);
  const taking = ask(other, 'take');
  const [before] = set.nodes;
  if ((await set.master()) !== before) throw new Error('The master is not where the cable is');

  namespace.cut();
  await taking;
  // Until its last hold is over it may still believe.
  const lost = await eventually(
    async () => {
      const beliefs = (await ask(cutOff, 'report')) as Belief[];
      return beliefs.every(({ lostMs }) => lostMs > 0) && beliefs;
    },
    { timeoutMs: takeOverMs, intervalMs: 100 },
  );
  const granted = (await ask(other, 'report')) as Belief[];
  const after = (await ask(other, 'write')) as Written;
  const stale = (await ask(cutOff, 'write')) as Written;
  namespace.mend();
  const failures = clients.flatMap(({ failure }) => failure ?? []);
  const { violations, ...judgement } = judgePartition({ lost, granted, after, stale });
  return { ...judgement, refused: stale.refused, violations: [...failures, ...violations] };
}

/** One command, and the line that answers it. */
async function ask(client: ClientProcess, command: string): Promise<unknown> {
  const before = client.lines.length;
  client.tell(command);
  return await eventually(
    () => {
      if (!client.isRunning) throw new Error(client.failure ?? `${client.name} has ended`);
      return client.lines.length > before && { answer: JSON.parse(client.lines[before]!) as unknown };
    },
    { timeoutMs: takeOverMs },
  ).then(({ answer }) => answer);
}
