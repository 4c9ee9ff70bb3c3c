import { loadavg } from 'node:os';
import { startTestRedis, type TestRedis } from '../../sdk/testing/test-redis.ts';
import { seedBoot } from '../../shared/coordination/lease/seed-boot.ts';
import { createLocks } from '../../shared/coordination/lock/locks.ts';
import { type OpenCoordination, openCoordination } from '../../shared/coordination/open-coordination.ts';
import type { BenchmarkResult } from '../benchmark.ts';
import { type ComparedRate, compareRates } from './compare-rates.ts';
import { type Contention, contend, type TakeLock } from './contend.ts';
import { createCpuMeter } from './cpu-meter.ts';
import { measureHandOver } from './hand-over.ts';
import { callbackPair, createRedlock, lockPair, portPair, rawPair, redlockPair } from './rate-tasks.ts';
import { takenTick, tickClaim } from './tick-claim.ts';

const inFlight = 50;
const contenders = 20;

/**
 * What coordination costs: rates of the primitives as a share of PING's on the same connection with 50 calls in flight,
 * and what contenders for one lock see, each next to redlock. Redis writes its append-only file meanwhile.
 */
export async function run({ quick }: { readonly quick: boolean }): Promise<BenchmarkResult> {
  const server = await startTestRedis({ appendonly: true });
  try {
    const rates = await measureRates(server, quick);
    const ours = await measureContention(server, quick, (coordination) => {
      const locks = createLocks(coordination);
      return async () => {
        const lock = await locks.lock('contended');
        return () => lock.release();
      };
    });
    const theirs = await measureContention(server, quick, ({ redis, prefix }) => {
      // Its defaults, but for giving up after ten tries.
      const redlock = createRedlock([redis], -1);
      return async () => {
        const lock = await redlock.acquire([`${prefix}:redlock:contended`], 10_000);
        return () => redlock.release(lock);
      };
    });
    // In the last minute: the benchmark itself is about 2 of it, and where it is more others had a part of the machine.
    const figures = { ...rates, ...contentionFigures(ours, theirs), loadAverage: loadavg()[0] ?? Number.NaN };
    return { name: 'coordination', figures: rounded(figures) };
  } finally {
    await server.close();
  }
}

async function measureRates(server: TestRedis, quick: boolean): Promise<Record<string, number>> {
  const coordination = await join(server, 'rates');
  try {
    await seedBoot(coordination.redis, coordination.prefix);
    const ports = await portPair(coordination);
    const tasks = {
      lockPair: lockPair(coordination),
      redlockPair: redlockPair(coordination),
      rawPair: await rawPair(coordination),
      tickClaim: await tickClaim(coordination, 2_000),
      tickTaken: await takenTick(coordination),
      portAlloc: ports.task,
      callback: callbackPair(coordination),
    };
    const ping = { call: () => coordination.redis.ping() };
    const cpu = createCpuMeter(coordination.redis);
    const sliceMs = quick ? 80 : 150;
    const rates = await compareRates(ping, tasks, { inFlight, rounds: quick ? 3 : 15, sliceMs, cpu });
    process.stderr.write(renderRates(rates));
    await ports.pools.close();
    const ratios = Object.keys(tasks).map((name) => [`${name}Ratio`, rates[name as keyof typeof tasks].ratio]);
    return { ...Object.fromEntries(ratios), pingsPerSecond: rates.base.perSecond };
  } finally {
    await coordination.close();
  }
}

async function measureContention(
  server: TestRedis,
  quick: boolean,
  toTake: (coordination: OpenCoordination) => TakeLock,
): Promise<Contention & { pairHandOverP50Ms: number }> {
  const opened = await Promise.all(Array.from({ length: contenders }, (_, client) => join(server, `client-${client}`)));
  try {
    const clients = opened.map(toTake);
    const contention = await contend(clients, quick ? 1_500 : 8_000);
    const [first, second] = clients as [TakeLock, TakeLock];
    return { ...contention, pairHandOverP50Ms: await measureHandOver([first, second], quick ? 6 : 40) };
  } finally {
    await Promise.all(opened.map((coordination) => coordination.close()));
  }
}

async function join({ url }: TestRedis, instance: string): Promise<OpenCoordination> {
  const coordination = openCoordination({ url, identity: `bench/${instance}` });
  await coordination.ready();
  return coordination;
}

type Contended = Awaited<ReturnType<typeof measureContention>>;

function contentionFigures(ours: Contended, theirs: Contended): Record<string, number> {
  const withName = (figures: Contended, toName: (name: string) => string) =>
    Object.fromEntries(Object.entries(figures).map(([name, value]) => [toName(name), value]));
  const ofRedlock = (name: string) => `redlock${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  return { ...withName(ours, (name) => name), ...withName(theirs, ofRedlock) };
}

function renderRates(rates: Readonly<Record<string, ComparedRate>>): string {
  const cells = (row: readonly string[]) => row.map((cell, at) => (at === 0 ? cell.padEnd(14) : cell.padStart(12)));
  const rows = Object.entries(rates).map(([name, { ratio, perSecond, clientUs, serverUs }]) =>
    cells([
      ...[name === 'base' ? 'ping' : name, ratio.toFixed(3), perSecond.toFixed(0)],
      ...[clientUs.toFixed(1), serverUs.toFixed(1)],
    ]),
  );
  const head = cells(['', 'ratio', 'per second', 'client µs', 'redis µs']);
  return `${[head, ...rows].map((row) => row.join('')).join('\n')}\n`;
}

function rounded(figures: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, Math.round(value * 1000) / 1000]));
}
