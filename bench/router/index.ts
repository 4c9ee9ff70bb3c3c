import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { completeRouterConfig } from '../../agent/router/config.ts';
import { saveTable } from '../../agent/router/table-file.ts';
import { loadHttp } from '../lib/http-load.ts';
import { median } from '../lib/median.ts';
import { type PinnedProcess, startPinned } from '../lib/pinned-process.ts';

/**
 * Requests per second of the built-in router, of HAProxy and of proxies made with the libraries of npm, each on the same
 * core with the same two upstreams, in short interleaved rounds; medians. The ratios by requests per CPU second of the proxy
 * are given beside: they do not depend on what else the machine does, nor on whether the other core, with the load generator
 * and the upstreams, is the bottleneck. To keep it from that the upstreams are as cheap as they come: HAProxy again.
 */
export async function run({ quick }: { readonly quick: boolean }): Promise<BenchResult> {
  const directory = mkdtempSync(join(tmpdir(), 'drover-bench-router-'));
  const started: PinnedProcess[] = [];
  const start: Start = async (core, command, options) => {
    const process = await startPinned(core, command, options);
    started.push(process);
    return process;
  };
  try {
    const upstreams = await startUpstreams(start, directory);
    const contenders = await startContenders(start, directory, upstreams, quick);
    await Promise.all(contenders.map(({ port }) => answers(port)));
    // Many short rounds: what a neighbour does for a moment falls on one of them, and a median leaves it out.
    const rounds = quick ? 1 : 12;
    // Unmeasured: what is not yet compiled would be compared otherwise.
    await measure(contenders, quick ? 1 : 3);
    const samples = new Map<string, Sample[]>();
    for (let round = 0; round < rounds; round++) {
      for (const [name, sample] of await measure(contenders, 1)) {
        samples.set(name, [...(samples.get(name) ?? []), sample]);
      }
    }
    return { name: 'router', figures: figuresOf(samples) };
  } finally {
    await Promise.all(started.map((process) => process.end()));
    rmSync(directory, { recursive: true, force: true });
  }
}

export interface BenchResult {
  readonly name: 'router';
  readonly figures: Record<string, number>;
}

type Start = typeof startPinned;

interface Contender {
  readonly name: string;
  readonly port: number;
  readonly process: PinnedProcess;
}

interface Sample {
  readonly requestsPerSecond: number;
  readonly requestsPerCpuSecond: number;
  /** How much of its core the proxy had; below 1 it waited for the others, or a neighbour was there. */
  readonly coreShare: number;
  readonly errors: number;
}

const proxyCore = 0;
const otherCore = 1;
const connections = 32;
const haproxy = '/usr/sbin/haproxy';
const haproxyDefaults = [
  'global',
  '  nbthread 1',
  '  maxconn 4000',
  'defaults',
  '  mode http',
  '  timeout connect 5s',
  '  timeout client 60s',
  '  timeout server 60s',
];
/** By their figure names. */
const libraries: Record<string, string> = {
  nodeHttp: 'node:http',
  httpProxy: 'http-proxy',
  httpProxy3: 'http-proxy-3',
  httpxy: 'httpxy',
  fastProxy: 'fast-proxy',
  fastifyHttpProxy: '@fastify/http-proxy',
  undici: 'undici',
};

/** What a quick run compares with: the fastest libraries, and Node alone. */
const fastest = new Set(['nodeHttp', 'fastProxy', 'undici']);

const pathOf = (file: string): string => fileURLToPath(import.meta.resolve(file));

/** Two servers that answer every request with the same small response: HAProxy where it is installed, else Node. */
async function startUpstreams(start: Start, directory: string): Promise<number[]> {
  if (!existsSync(haproxy)) {
    const command: [string, ...string[]] = [process.execPath, pathOf('./upstream.ts')];
    const nodes = await Promise.all([start(otherCore, command), start(otherCore, command)]);
    return nodes.map(({ firstLine }) => Number(firstLine));
  }
  const ports = [await freePort(), await freePort()];
  const configPath = join(directory, 'upstream.cfg');
  const answer = 'status 200 content-type text/plain string "hello, world" hdr Date "Thu, 01 Jan 2026 00:00:00 GMT"';
  const lines = [
    ...haproxyDefaults,
    'frontend answers',
    ...ports.map((port) => `  bind 127.0.0.1:${port}`),
    `  http-request return ${answer}`,
  ];
  writeFileSync(configPath, `${lines.join('\n')}\n`);
  await start(otherCore, [haproxy, '-db', '-f', configPath], { waitForLine: false });
  await Promise.all(ports.map(answers));
  return ports;
}

async function startContenders(
  start: Start,
  directory: string,
  upstreams: readonly number[],
  quick: boolean,
): Promise<Contender[]> {
  const contenders = [await startOurs(start, directory, upstreams)];
  if (existsSync(haproxy)) contenders.push(await startHaproxy(start, directory, upstreams));
  else process.stderr.write('haproxy is not installed: there is nothing to compare with\n');
  for (const [name, specifier] of Object.entries(libraries)) {
    if (quick && !fastest.has(name)) continue;
    if (!isInstalled(specifier)) {
      process.stderr.write(`${specifier} is not installed: left out\n`);
      continue;
    }
    const command = [process.execPath, pathOf('./library/main.ts'), specifier, ...upstreams.map(String)] as const;
    const library = await start(proxyCore, command as unknown as [string, ...string[]]);
    contenders.push({ name, port: Number(library.firstLine), process: library });
  }
  return contenders;
}

async function startOurs(start: Start, directory: string, upstreams: readonly number[]): Promise<Contender> {
  const port = await freePort();
  const socketPath = join(directory, 'control.sock');
  const configPath = join(directory, 'router-config.json');
  const config = completeRouterConfig({ stateDirectory: directory, socketPath, listen: `127.0.0.1:${port}` });
  writeFileSync(configPath, JSON.stringify(config));
  // A router serves the table it finds, so that none has to be sent.
  const endpoints = upstreams.map((upstreamPort, slot) => ({
    instanceId: `instance-${slot}`,
    revision: 1,
    address: '127.0.0.1',
    port: upstreamPort,
    weight: 1,
  }));
  const services = [{ name: 'web', routes: [{ path: '/' }], endpoints }];
  await saveTable(directory, { epoch: 1, generation: 'bench', services });
  const main = pathOf('../../agent/router/main.ts');
  const ours = await start(proxyCore, [process.execPath, main, configPath], { waitForLine: false });
  return { name: 'router', port, process: ours };
}

async function startHaproxy(start: Start, directory: string, upstreams: readonly number[]): Promise<Contender> {
  const port = await freePort();
  const configPath = join(directory, 'haproxy.cfg');
  const servers = upstreams.map((upstreamPort, slot) => `  server s${slot} 127.0.0.1:${upstreamPort}`);
  const lines = [
    ...haproxyDefaults,
    'frontend bench',
    `  bind 127.0.0.1:${port}`,
    '  option forwardfor',
    '  default_backend workers',
    'backend workers',
    '  http-reuse safe',
    '  balance leastconn',
    ...servers,
  ];
  writeFileSync(configPath, `${lines.join('\n')}\n`);
  const started = await start(proxyCore, [haproxy, '-db', '-f', configPath], { waitForLine: false });
  return { name: 'haproxy', port, process: started };
}

async function measure(contenders: readonly Contender[], durationSeconds: number): Promise<[string, Sample][]> {
  const samples: [string, Sample][] = [];
  for (const { name, port, process: proxy } of contenders) {
    const before = proxy.cpuSeconds();
    const startedAtMs = performance.now();
    const result = await loadHttp({
      url: `http://127.0.0.1:${port}/`,
      connections,
      durationSeconds,
      core: otherCore,
    });
    const cpuSeconds = Math.max(proxy.cpuSeconds() - before, 0.01);
    const coreShare = (cpuSeconds * 1_000) / (performance.now() - startedAtMs);
    const { requestsPerSecond, errors } = result;
    samples.push([name, { requestsPerSecond, errors, coreShare, requestsPerCpuSecond: result.requests / cpuSeconds }]);
  }
  return samples;
}

function figuresOf(samples: ReadonlyMap<string, readonly Sample[]>): Record<string, number> {
  const figures: Record<string, number> = {};
  const middle = (name: string, of: (sample: Sample) => number): number => median((samples.get(name) ?? []).map(of));
  for (const name of samples.keys()) {
    figures[`${name}Rps`] = Math.round(middle(name, (sample) => sample.requestsPerSecond));
    figures[`${name}RequestsPerCpuSecond`] = Math.round(middle(name, (sample) => sample.requestsPerCpuSecond));
    figures[`${name}CoreShare`] = round(middle(name, (sample) => sample.coreShare));
  }
  figures.routerErrors = (samples.get('router') ?? []).reduce((sum, { errors }) => sum + errors, 0);
  const best = (unit: string): number =>
    Math.max(...Object.keys(libraries).map((name) => figures[`${name}${unit}`] ?? 0));
  const ratio = (of: number | undefined, to: number | undefined): number =>
    round((of ?? Number.NaN) / (to ?? Number.NaN));
  if (samples.has('haproxy')) {
    figures.routerToHaproxyRatio = ratio(figures.routerRps, figures.haproxyRps);
    figures.routerToHaproxyCpuRatio = ratio(figures.routerRequestsPerCpuSecond, figures.haproxyRequestsPerCpuSecond);
  }
  figures.bestLibraryRatio = ratio(figures.routerRps, best('Rps'));
  figures.bestLibraryCpuRatio = ratio(figures.routerRequestsPerCpuSecond, best('RequestsPerCpuSecond'));
  // Of both cores, in the last minute: the benchmark itself is about 2 of it.
  figures.loadAverage = round(loadavg()[0] ?? Number.NaN);
  return figures;
}

const round = (ratio: number): number => Math.round(ratio * 100) / 100;

function isInstalled(specifier: string): boolean {
  try {
    import.meta.resolve(specifier);
    return true;
  } catch {
    return false;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(address !== null && typeof address === 'object' ? address.port : 0));
    });
  });
}

/** A slow machine needs some seconds to start ten processes on one core. */
const startTimeoutMs = 15_000;
const startPollMs = 50;

async function answers(port: number): Promise<void> {
  const giveUpAt = performance.now() + startTimeoutMs;
  for (;;) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/`);
      await response.text();
      if (response.ok) return;
    } catch {
      // Not listening yet.
    }
    if (performance.now() > giveUpAt) throw new Error(`nothing answers on port ${port}`);
    await new Promise((resolve) => setTimeout(resolve, startPollMs));
  }
}
