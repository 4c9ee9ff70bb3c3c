import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { createCrons } from '../../../shared/coordination/cron/crons.ts';
import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { SeededRandom } from '../../simulation/seeded-random.ts';
import { eventually } from '../../support/eventually.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { startRedis } from '../../support/redis.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import { type ClientProcess, startClient } from '../lib/client-process.ts';
import type { CronHostSettings } from './cron-host.ts';

export interface CronCampaignOptions {
  readonly hosts: number;
  /** How many ticks the campaign lasts. */
  readonly ticks: number;
  readonly everyMs: number;
  /** Wall clocks of the hosts are ahead or behind by up to this. */
  readonly skewMs: number;
  /** One host is killed, or frozen for longer than its run is believed in, each time that long. */
  readonly faultEveryMs: number;
  /** How often Redis is killed and started again with its data. */
  readonly storeKills: number;
  readonly seed: number;
  readonly guard?: 'claim' | 'lock';
  readonly lifetime: Lifetime;
  readonly progress?: (line: string) => void;
}

export interface CronCampaignResult {
  /** From the first tick that ran to the last, both included. */
  readonly ticks: number;
  readonly runs: number;
  /** Runs beyond the first of their tick. */
  readonly duplicates: number;
  /** Ticks that no host started and that are not recorded as lost with the host that had claimed them. */
  readonly missed: number;
  /** Each of them, and what the history said of it. */
  readonly missedTicks: readonly string[];
  /** Ticks that were claimed by a host that was killed before its handler began. */
  readonly lostBeforeStart: number;
  /** Runs whose token was not above that of an earlier tick. */
  readonly tokensOutOfOrder: number;
  readonly kills: number;
  readonly pauses: number;
  readonly storeKills: number;
  /** Ends of hosts that nobody asked for. */
  readonly failures: readonly string[];
}

const ttlMs = 400;
const runMs = 4;
const campaignPrefix = 'drover-services';
/** A history of 100 runs at the fastest beat lasts longer. */
const collectMs = 500;

/** Lets hosts run the ticks of one job while they are killed and frozen, and compares what they noted. */
export async function runCronCampaign(options: CronCampaignOptions): Promise<CronCampaignResult> {
  const { hosts, ticks, everyMs, skewMs, faultEveryMs, lifetime, guard = 'claim', progress = () => {} } = options;
  const random = new SeededRandom(options.seed);
  const directory = tempDirectory(lifetime);
  const redis = await startRedis(lifetime, { appendonly: true });
  const files: string[] = [];
  const failures: string[] = [];
  const lost = new Set<number>();
  /** What the history said of each tick: for whoever looks for the reason of a miss. */
  const said = new Map<number, string>();

  function start(index: number): ClientProcess {
    const file = join(directory, `${files.length}.ticks`);
    files.push(file);
    const own = hosts === 1 ? 0 : Math.round(((index / (hosts - 1)) * 2 - 1) * skewMs);
    const settings: CronHostSettings = {
      ...{ url: redis.url, identity: `host-${index}`, everyMs, skewMs: own, ttlMs, runMs, guard, file },
    };
    return startClient(new URL('cron-host.ts', import.meta.url), settings.identity, settings);
  }

  const processes = Array.from({ length: hosts }, (_, index) => start(index));
  lifetime.after(async () => {
    for (const client of processes) await client.kill();
  });
  await eventually(() => processes.every(({ lines }) => lines.includes('ready')), { timeoutMs: 20_000 });
  const coordination = openCoordination({ url: redis.url, identity: 'observer', prefix: campaignPrefix });
  lifetime.after(() => coordination.close());
  await coordination.ready();
  const crons = createCrons(coordination);

  const startedAtMs = performance.now();
  const endAtMs = startedAtMs + ticks * everyMs;
  let kills = 0;
  let pauses = 0;
  let storeKills = 0;
  let nextFaultAtMs = startedAtMs + faultEveryMs;

  async function breakOne(): Promise<void> {
    const index = random.between(0, hosts - 1);
    const client = processes[index]!;
    if (client.failure !== undefined) failures.push(client.failure);
    if (!client.isRunning || random.chance(0.7)) {
      await client.kill();
      processes[index] = start(index);
      kills++;
      return;
    }
    client.pause();
    await sleep(random.between(ttlMs / 2, ttlMs * 2));
    client.resume();
    pauses++;
  }

  async function collectLost(): Promise<void> {
    if (guard === 'lock') return;
    const records = await crons.history('campaign').catch(() => []);
    for (const { outcome, tick, identity, error } of records) {
      if (outcome === 'lost') lost.add(tick.getTime());
      said.set(tick.getTime(), `${outcome} on ${identity}${error === undefined ? '' : `: ${error}`}`);
    }
  }

  while (performance.now() < endAtMs) {
    await sleep(collectMs);
    await collectLost();
    const share = (performance.now() - startedAtMs) / (endAtMs - startedAtMs);
    if (storeKills < options.storeKills && share > (storeKills + 1) / (options.storeKills + 1)) {
      await redis.restart();
      storeKills++;
      progress(`Redis killed and back, ${Math.round(share * 100)} %`);
    }
    if (performance.now() < nextFaultAtMs) continue;
    nextFaultAtMs += faultEveryMs;
    await breakOne();
  }
  // A run that was lost at the very end is recorded as such by the claim of the next tick.
  await sleep(2 * ttlMs);
  await collectLost();
  for (const client of processes) {
    await client.end();
    if (client.failure !== undefined) failures.push(client.failure);
  }
  await collectLost();
  return { ...compare({ files, everyMs, lost, said }), kills, pauses, storeKills, failures };
}

interface Evidence {
  readonly files: readonly string[];
  readonly everyMs: number;
  readonly lost: ReadonlySet<number>;
  readonly said: ReadonlyMap<number, string>;
}

function compare({ files, everyMs, lost, said }: Evidence) {
  const notes = files
    .flatMap((file) => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []))
    .filter((line) => line !== '')
    .map((line) => line.split(' ').map(Number) as [tick: number, token: number])
    .sort((a, b) => a[0] - b[0]);
  const started = new Set(notes.map(([tick]) => tick));
  const first = notes[0]?.[0] ?? 0;
  const last = notes.at(-1)?.[0] ?? -everyMs;
  const missedTicks: string[] = [];
  let lostBeforeStart = 0;
  for (let tick = first; tick <= last; tick += everyMs) {
    if (started.has(tick)) continue;
    if (lost.has(tick)) lostBeforeStart++;
    else missedTicks.push(`${tick}: ${said.get(tick) ?? 'not in the history'}`);
  }
  const tokensOutOfOrder = notes.filter(([, token], index) => index > 0 && token <= notes[index - 1]![1]).length;
  return {
    ticks: (last - first) / everyMs + 1,
    runs: notes.length,
    duplicates: notes.length - started.size,
    missed: missedTicks.length,
    missedTicks,
    lostBeforeStart,
    tokensOutOfOrder,
  };
}
