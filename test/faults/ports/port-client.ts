// Takes ports, listens on each for real, and gives them back: until it has done its share or its stdin says so.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { createPortPools } from '../../../shared/coordination/port-pool/port-pools.ts';
import type { PortClientSettings } from './run-ports-campaign.ts';

const settings = JSON.parse(process.argv[2]!) as PortClientSettings;
const { url, host, address, pools, ttlMs, quarantineMs, share, variant, devicePercent, holdMs } = settings;
/** So many allocations of one process are in use at a time. */
const inFlight = 8;
const reportEach = 20;

const coordination = openCoordination({ url, identity: host });
await coordination.ready();
let isEnding = false;
createInterface({ input: process.stdin }).on('line', () => {
  isEnding = true;
});
let done = 0;

interface Taken {
  readonly ports: readonly number[];
  release(): Promise<void>;
}

const taking = variant === 'pools' ? await takeFromPools() : takeByExpiringKeys();
process.stdout.write('ready\n');
await Promise.all(Array.from({ length: inFlight }, work));
process.stdout.write(`done ${done % reportEach}\n`);
await taking.close();
await coordination.close();
process.exit(0);

async function work(): Promise<void> {
  while (!isEnding && done < share) {
    let taken: Taken;
    try {
      taken = await taking.take();
    } catch (error) {
      const { code } = error as { code?: string };
      if (code !== 'PORTS_EXHAUSTED') throw error;
      await sleep(20);
      continue;
    }
    if (++done % reportEach === 0) process.stdout.write(`done ${reportEach}\n`);
    await use(taken.ports);
    await taken.release();
  }
}

async function use(ports: readonly number[]): Promise<void> {
  const [first, ...others] = ports;
  const servers: Server[] = [];
  if (Math.random() * 100 < devicePercent) await runDevice(first!);
  else others.push(first!);
  for (const port of others) {
    const server = (await listen(port)) ?? (await sleep(100).then(() => listen(port)));
    // A look at an orphan holds its port for less than that: who still has it listens.
    if (server === null) process.stdout.write(`double ${port}\n`);
    else servers.push(server);
  }
  await sleep(Math.random() * holdMs);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
}

async function listen(port: number): Promise<Server | null> {
  const server = createServer();
  try {
    server.listen({ port, host: address, exclusive: true });
    await once(server, 'listening');
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return null;
    throw error;
  }
}

/** A child that outlives this process, and listens on. */
async function runDevice(port: number): Promise<void> {
  const program = fileURLToPath(new URL('./device.ts', import.meta.url));
  const child = spawn(process.execPath, [program, String(port), address, String(ttlMs * 4)], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(child, 'exit');
  if (child.exitCode !== 0) process.stdout.write(`double ${port}\n`);
}

async function takeFromPools() {
  const portPools = await createPortPools(coordination, {
    host,
    pools,
    quarantineMs,
    ownerTtlMs: ttlMs,
    bindAddress: address,
    // The check would only hide a port that was given twice.
    checksBind: false,
  });
  const counts = Object.fromEntries(Object.keys(pools).map((pool) => [pool, 1]));
  return {
    async take(): Promise<Taken> {
      const allocation = await portPools.allocate(counts);
      return { ports: Object.values(allocation.ports).flat(), release: () => allocation.release() };
    },
    close: () => portPools.close(),
  };
}

/** The defect that the campaign must find: a key with a time limit for each port, and nobody who renews it. */
function takeByExpiringKeys() {
  const { redis } = coordination;
  return {
    async take(): Promise<Taken> {
      const ports: number[] = [];
      for (const { from, to } of Object.values(pools)) {
        for (let port = from; port <= to; port++) {
          if ((await redis.set(`naive:${host}:${port}`, '1', 'PX', ttlMs, 'NX')) === null) continue;
          ports.push(port);
          break;
        }
      }
      return { ports, release: async () => void (await redis.del(...ports.map((port) => `naive:${host}:${port}`))) };
    },
    close: async () => {},
  };
}
