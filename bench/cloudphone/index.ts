import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchmarkResult } from '../benchmark.ts';
import type { ComparedPath } from './compare-paths.ts';
import { manyClients } from './drive-load.ts';
import { type Cost, measureCost } from './measure-cost.ts';
import { measureThroughput, type Throughput } from './measure-throughput.ts';
import { openDatabases } from './open-databases.ts';

/**
 * The platform of examples/cloudphone: how much it does with one instance of each service and with several, under the same
 * mixed load; and what coordination adds to a request, beside the same services without it (`alone`) and beside those of
 * `before`, which are right as one instance only. On PostgreSQL where it is installed, else on SQLite.
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

function costFigures({
  mixed,
  mixedP50Ms,
  mixedShareP50Percent,
  mixedShareOfAllPercent,
  underLoad,
  paths,
}: Cost): Record<string, number> {
  const extra = (name: string, path: ComparedPath) => ({
    [`${name}P50Ms`]: path.p50Ms.sdk!,
    [`${name}AloneP50Ms`]: path.p50Ms.alone!,
    [`${name}ExtraMs`]: path.extraMs('sdk', 'alone'),
  });
  const ofMixed = Object.entries(mixed).map(([name, path]) => extra(`mixed${capital(name)}`, path));
  const ofPaths = Object.entries(paths).map(([name, path]) => ({
    ...extra(name, path),
    [`${name}BeforeP50Ms`]: path.p50Ms.before!,
    [`${name}ToBeforeRatio`]: path.p50Ms.sdk! / path.p50Ms.before!,
  }));
  const ofLoad = {
    ...{ loadP50Ms: underLoad.p50Ms('sdk'), loadAloneP50Ms: underLoad.p50Ms('alone') },
    loadP50SharePercent: loadShare(underLoad),
    loadToAloneThroughputRatio: underLoad.ratio('requestsPerSecond', 'sdk', 'alone'),
    loadErrors: underLoad.errors(),
  };
  const ofAll = {
    ...{ mixedP50Ms: mixedP50Ms.sdk, mixedAloneP50Ms: mixedP50Ms.alone, mixedP50SharePercent: shareOf(mixedP50Ms) },
    ...{ mixedShareP50Percent, mixedShareOfAllPercent },
  };
  return { ...ofAll, ...ofLoad, ...Object.assign({}, ...ofMixed, ...ofPaths) };
}

/** By how much the middle one of all requests is quicker without coordination, in percent of its time. */
function shareOf({ sdk, alone }: Cost['mixedP50Ms']): number {
  return 100 * (1 - alone / sdk);
}

function loadShare({ ratio }: Cost['underLoad']): number {
  return 100 * (1 - ratio('p50Ms', 'alone', 'sdk'));
}

function renderTables(
  { mixed, mixedP50Ms, mixedShareP50Percent, mixedShareOfAllPercent, underLoad, paths }: Cost,
  { one, several, instances }: Throughput,
): string {
  const ms = (value: number | undefined) => (value === undefined ? '' : value.toFixed(2));
  const row = (cells: readonly string[]) =>
    cells.map((cell, at) => (at === 0 ? cell.padEnd(24) : cell.padStart(12))).join('');
  const cost = (name: string, path: ComparedPath) => {
    const extraMs = path.extraMs('sdk', 'alone');
    const share = `${((100 * extraMs) / path.p50Ms.sdk!).toFixed(1)} %`;
    return row([name, ms(path.p50Ms.sdk), ms(path.p50Ms.alone), ms(path.p50Ms.before), ms(extraMs), share]);
  };
  const middle = (name: string, times: Cost['mixedP50Ms'], sharePercent: number) =>
    row([name, ms(times.sdk), ms(times.alone), '', ms(times.sdk - times.alone), `${sharePercent.toFixed(1)} %`]);
  const loadTimes = { sdk: underLoad.p50Ms('sdk'), alone: underLoad.p50Ms('alone') };
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
    row(['one request at a time', 'sdk ms', 'alone ms', 'before ms', 'extra ms', 'share']),
    ...Object.entries(mixed).map(([name, path]) => cost(`mixed: ${name}`, path)),
    middle('mixed: p50 of all', mixedP50Ms, shareOf(mixedP50Ms)),
    row(['mixed: median share', '', '', '', '', `${mixedShareP50Percent.toFixed(1)} %`]),
    row(['mixed: of all time', '', '', '', '', `${mixedShareOfAllPercent.toFixed(1)} %`]),
    ...Object.entries(paths).map(([name, path]) => cost(name, path)),
    middle(`mixed, ${manyClients} at a time`, loadTimes, loadShare(underLoad)),
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
