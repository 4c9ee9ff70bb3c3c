import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchmarkResult } from '../benchmark.ts';
import type { ComparedPath } from './compare-paths.ts';
import { manyClients } from './drive-load.ts';
import { agreements } from './lay-out-platform.ts';
import { type Cost, measureCost } from './measure-cost.ts';
import { measureThroughput, type Throughput } from './measure-throughput.ts';
import { openDatabases } from './open-databases.ts';

/**
 * The platform of examples/cloudphone: how much it does with one instance of each service and with several, under the same
 * mixed load; and what coordination adds to a request, beside the same services without it: those that share nothing but
 * sessions and rate limits (`sessions`), which a gateway of several instances shares anyway, those that share nothing
 * (`alone`), and those of `before`. They are right as one instance only. On PostgreSQL where it is installed, else on SQLite.
 */
export async function run({ quick }: { readonly quick: boolean }): Promise<BenchmarkResult> {
  // Sockets of devices lie below it, and their paths are short.
  const directory = await mkdtemp(join(tmpdir(), 'dr-b-'));
  const closers: (() => Promise<void>)[] = [];
  try {
    const databases = await openDatabases(directory, closers);
    const cost = await measureCost({ directory, databases, quick });
    const throughput = await measureThroughput({ databases, quick });
    process.stderr.write(renderTables(cost, throughput));
    const isPostgres = databases.kind === 'postgres' ? 1 : 0;
    const figures = { ...throughputFigures(throughput), ...costFigures(cost), isPostgres, loadAverage: loadavg()[0]! };
    return { name: 'cloudphone', figures: rounded(figures) };
  } finally {
    for (const close of closers.reverse()) await close();
    await rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

function throughputFigures({ one, several, instances }: Throughput): Record<string, number> {
  return {
    ...{ instancesAtOne: instances.one, instancesAtSeveral: instances.several },
    ...{ requestsPerSecondAtOne: one.requestsPerSecond, requestsPerSecondAtSeveral: several.requestsPerSecond },
    severalToOneRatio: several.requestsPerSecond / one.requestsPerSecond,
    ...{ p50MsAtOne: one.p50Ms, p50MsAtSeveral: several.p50Ms },
    ...{ p99MsAtOne: one.p99Ms, p99MsAtSeveral: several.p99Ms },
    ...{ errorsAtOne: one.errors, errorsAtSeveral: several.errors },
  };
}

function costFigures({ mixed, mixedP50Ms, mixedShares, underLoad, paths }: Cost): Record<string, number> {
  const extra = (name: string, path: ComparedPath) => ({
    [`${name}P50Ms`]: path.p50Ms.sdk!,
    [`${name}AloneP50Ms`]: path.p50Ms.alone!,
    [`${name}ExtraMs`]: path.extraMs('sdk', 'alone'),
  });
  const ofMixed = Object.entries(mixed).map(([name, path]) => ({
    ...extra(`mixed${capital(name)}`, path),
    [`mixed${capital(name)}CoordinationMs`]: path.extraMs('sdk', 'sessions'),
  }));
  const ofPaths = Object.entries(paths).map(([name, path]) => ({
    ...extra(name, path),
    [`${name}BeforeP50Ms`]: path.p50Ms.before!,
    [`${name}ToBeforeRatio`]: path.p50Ms.sdk! / path.p50Ms.before!,
  }));
  const ofLoad = {
    ...{ loadP50Ms: underLoad.p50Ms('sdk'), loadAloneP50Ms: underLoad.p50Ms('alone') },
    loadCoordinationP50SharePercent: loadShare(underLoad, 'sessions'),
    loadP50SharePercent: loadShare(underLoad, 'alone'),
    loadToAloneThroughputRatio: underLoad.ratio('requestsPerSecond', 'sdk', 'alone'),
    loadErrors: underLoad.errors(),
  };
  const ofAll = {
    ...{ mixedP50Ms: mixedP50Ms.sdk, mixedAloneP50Ms: mixedP50Ms.alone },
    coordinationP50SharePercent: shareOf(mixedP50Ms, 'sessions'),
    coordinationShareP50Percent: mixedShares.sessions.p50Percent,
    coordinationShareOfAllPercent: mixedShares.sessions.ofAllPercent,
    mixedP50SharePercent: shareOf(mixedP50Ms, 'alone'),
    mixedShareP50Percent: mixedShares.alone.p50Percent,
    mixedShareOfAllPercent: mixedShares.alone.ofAllPercent,
  };
  return { ...ofAll, ...ofLoad, ...Object.assign({}, ...ofMixed, ...ofPaths) };
}

type Other = keyof Cost['mixedShares'];

/** By how much the middle one of all requests is quicker than with the SDK, in percent of its time. */
function shareOf(times: Cost['mixedP50Ms'], other: Other): number {
  return 100 * (1 - times[other] / times.sdk);
}

function loadShare({ ratio }: Cost['underLoad'], other: Other): number {
  return 100 * (1 - ratio('p50Ms', other, 'sdk'));
}

function renderTables(
  { mixed, mixedP50Ms, mixedShares, underLoad, paths }: Cost,
  { one, several, instances }: Throughput,
): string {
  const ms = (value: number | undefined) => (value === undefined ? '' : value.toFixed(2));
  const percent = (value: number) => `${value.toFixed(1)} %`;
  const row = (cells: readonly string[]) =>
    cells.map((cell, at) => (at === 0 ? cell.padEnd(24) : cell.padStart(15))).join('');
  const times = ({ sdk, sessions, alone, before }: ComparedPath['p50Ms']) => [sdk, sessions, alone, before].map(ms);
  const share = (path: ComparedPath, other: Other) =>
    path.p50Ms[other] === undefined ? '' : percent((100 * path.extraMs('sdk', other)) / path.p50Ms.sdk!);
  const cost = (name: string, path: ComparedPath) =>
    row([name, ...times(path.p50Ms), share(path, 'sessions'), share(path, 'alone')]);
  const shares = (name: string, ofOther: (other: Other) => number, p50s: ComparedPath['p50Ms'] = {}) =>
    row([name, ...times(p50s), percent(ofOther('sessions')), percent(ofOther('alone'))]);
  const loadP50s = Object.fromEntries(agreements.map((name) => [name, underLoad.p50Ms(name)]));
  const load = (name: string, figures: Throughput['one'], count: number) =>
    row([
      name,
      String(count),
      figures.requestsPerSecond.toFixed(0),
      ms(figures.p50Ms),
      ms(figures.p99Ms),
      String(figures.errors),
    ]);
  const problems = [underLoad.firstError(), one.firstError, several.firstError].filter((text) => text !== undefined);
  return `${[
    row(['', 'sdk', 'sessions', 'alone', 'before', 'sdk is more', 'sdk is more']),
    row(['one request at a time', 'ms', 'ms', 'ms', 'ms', 'than sessions', 'than alone']),
    ...Object.entries(mixed).map(([name, path]) => cost(`mixed: ${name}`, path)),
    shares('mixed: p50 of all', (other) => shareOf(mixedP50Ms, other), mixedP50Ms),
    shares('mixed: median share', (other) => mixedShares[other].p50Percent),
    shares('mixed: of all time', (other) => mixedShares[other].ofAllPercent),
    ...Object.entries(paths).map(([name, path]) => cost(name, path)),
    shares(`mixed, ${manyClients} at a time`, (other) => loadShare(underLoad, other), loadP50s),
    '',
    row([`${manyClients} at a time`, 'instances', 'per second', 'p50 ms', 'p99 ms', 'errors']),
    load('one of each', one, instances.one),
    load('several of each', several, instances.several),
    ...problems,
  ].join('\n')}\n`;
}

function capital(name: string): string {
  return `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

function rounded(figures: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, Math.round(value * 1_000) / 1_000]));
}
