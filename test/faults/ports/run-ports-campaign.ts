import { setTimeout as sleep } from 'node:timers/promises';

import { seedBoot } from '../../../shared/coordination/lease/seed-boot.ts';
import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { createPortPools } from '../../../shared/coordination/port-pool/port-pools.ts';
import { readPorts } from '../../../shared/coordination/port-pool/read-ports.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { ownPort } from '../../support/own-port.ts';
import { startRedis } from '../../support/redis.ts';
import { type ClientProcess, startClient } from '../lib/client-process.ts';

export interface PortsCampaignOptions {
  readonly allocations: number;
  readonly hosts: number;
  /** Of each host. */
  readonly processes: number;
  readonly seed: number;
  /** All processes of one host are killed each time that so many allocations were made. */
  readonly killEvery: number;
  /** How many allocations of a hundred have a child listen, which outlives a killed parent. */
  readonly devicePercent: number;
  /** `expiring-keys`: the seeded defect. */
  readonly variant?: 'pools' | 'expiring-keys';
  readonly lifetime: Lifetime;
  readonly progress?: (line: string) => void;
}

export interface PortsCampaignResult {
  readonly allocations: number;
  /** Ports that were given while somebody listened on them. */
  readonly doubleListeners: number;
  /** Ports that were not free, quarantined or foreign after all had ended. */
  readonly leaks: number;
  readonly kills: number;
  readonly invariantViolations: readonly string[];
}

export interface PortClientSettings {
  readonly url: string;
  readonly host: string;
  readonly address: string;
  readonly pools: Readonly<Record<string, { readonly from: number; readonly to: number }>>;
  readonly ttlMs: number;
  readonly quarantineMs: number;
  readonly share: number;
  readonly variant: 'pools' | 'expiring-keys';
  readonly devicePercent: number;
  readonly holdMs: number;
}

/** Ports in use are a good part of the pools, so that ports come round soon. */
const poolSizes = { adb: 60, webrtc: 80 };
const ttlMs = 500;
const quarantineMs = 100;
const settleMs = 20_000;
const lookEachMs = 50;

/** Real processes on several hosts (loopback addresses) take ports and listen on them, and whole hosts are killed. */
export async function runPortsCampaign(options: PortsCampaignOptions): Promise<PortsCampaignResult> {
  const { allocations, hosts, processes, killEvery, devicePercent, variant = 'pools', lifetime } = options;
  const clients = new Map<string, ClientProcess[]>();
  const everStarted: ClientProcess[] = [];
  lifetime.after(async () => {
    for (const client of everStarted) await client.kill();
  });
  // Nobody else's: a listener of another test on one of them would be taken for an owner too many.
  const pools = { adb: await poolOf(poolSizes.adb), webrtc: await poolOf(poolSizes.webrtc) };
  const redis = await startRedis(lifetime);
  const coordination = openCoordination({ url: redis.url, identity: 'campaign' });
  await coordination.ready();
  await seedBoot(coordination.redis, coordination.prefix);
  const names = Array.from({ length: hosts }, (_, at) => `host-${at}`);
  const addressOf = (host: string) => `127.0.0.${names.indexOf(host) + 2}`;
  const random = sequence(options.seed);
  const violations: string[] = [];
  const readLines = new Map<readonly string[], number>();
  let [kills, done, doubles] = [0, 0, 0];

  function start(host: string): void {
    const share = Math.max(1, Math.ceil((allocations - countDone()) / (hosts * processes)));
    const settings: PortClientSettings = {
      url: redis.url,
      host,
      address: addressOf(host),
      pools,
      ttlMs,
      quarantineMs,
      share,
      variant,
      devicePercent,
      holdMs: 5,
    };
    const started = Array.from({ length: processes }, (_, at) =>
      startClient(new URL('./port-client.ts', import.meta.url), `${host}/${at}`, settings),
    );
    clients.set(host, started);
    everStarted.push(...started);
  }

  /** Only lines that are new are read: a long campaign writes many. */
  function countDone(): number {
    for (const { lines } of everStarted) {
      for (let at = readLines.get(lines) ?? 0; at < lines.length; at++) {
        if (lines[at]!.startsWith('done ')) done += Number(lines[at]!.slice(5));
        else if (lines[at]!.startsWith('double ')) doubles++;
      }
      readLines.set(lines, lines.length);
    }
    return done;
  }

  async function look(): Promise<void> {
    for (const host of names) {
      const { usage, ports } = await readPorts(coordination.redis, coordination.prefix, host);
      const seen = new Set(ports.map(({ port }) => port));
      if (seen.size !== ports.length) violations.push(`${host}: a port is in two states`);
      for (const { pool, size, free, leased, quarantined, foreign, orphaned } of usage) {
        if (free < 0 || free + leased + quarantined + foreign + orphaned !== size) {
          violations.push(`${host} ${pool}: ${free}+${leased}+${quarantined}+${foreign}+${orphaned} of ${size}`);
        }
      }
    }
  }

  for (const host of names) start(host);
  let nextKill = killEvery;
  for (;;) {
    await sleep(lookEachMs);
    await look();
    countDone();
    const failure = everStarted.find((client) => client.failure !== undefined)?.failure;
    if (failure !== undefined) throw new Error(failure);
    if (done >= allocations) break;
    for (const host of names) {
      if (clients.get(host)!.every(({ isRunning }) => !isRunning)) start(host);
    }
    if (done < nextKill) continue;
    nextKill = done + killEvery;
    const host = names[Math.floor(random() * hosts)]!;
    await Promise.all(clients.get(host)!.map((client) => client.kill()));
    kills++;
    start(host);
    options.progress?.(`${done} allocations, ${kills} kills`);
  }
  await Promise.all(everStarted.map((client) => client.end()));
  const failure = everStarted.find((client) => client.failure !== undefined)?.failure;
  if (failure !== undefined) violations.push(failure);

  const leaks = variant === 'pools' ? await countLeaks() : 0;
  countDone();
  await coordination.close();
  return { allocations: done, doubleListeners: doubles, leaks, kills, invariantViolations: violations };

  /** Confirms as a participant of each host would that starts later; what it cannot get back has leaked. */
  async function countLeaks(): Promise<number> {
    const confirmers = await Promise.all(
      names.map((host) =>
        createPortPools(coordination, { host, pools, quarantineMs, ownerTtlMs: ttlMs, bindAddress: addressOf(host) }),
      ),
    );
    const giveUpAtMs = performance.now() + settleMs;
    let taken = 0;
    do {
      await sleep(lookEachMs);
      const usage = (await Promise.all(confirmers.map((confirmer) => confirmer.usage()))).flat();
      taken = usage.reduce((sum, { leased, orphaned }) => sum + leased + orphaned, 0);
    } while (taken > 0 && performance.now() < giveUpAtMs);
    for (const confirmer of confirmers) await confirmer.close();
    return taken;
  }
}

async function poolOf(size: number): Promise<{ from: number; to: number }> {
  const from = await ownPort(size);
  return { from, to: from + size - 1 };
}

/** The same numbers for the same seed: a linear congruential generator is enough to choose a host. */
function sequence(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
