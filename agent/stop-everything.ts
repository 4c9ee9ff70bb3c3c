import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { readAgentRecord } from './agent-lock.ts';
import { type DataPaths, openDataDirectory } from './data-paths.ts';
import { isAlive, type ProcessIdentity } from './process/process-identity.ts';
import { signalProcess } from './process/signal-process.ts';
import { findRouter } from './router/launch.ts';
import { cleanLeftovers, type DiscoveredShim, discoverShims } from './shim/discover.ts';

/** Beyond the kill timeout of a service, for the shim's own work. */
const shimGraceMs = 5_000;
const agentTimeoutMs = 5_000;
const routerTimeoutMs = 5_000;
const pollMs = 25;

export interface StoppedEverything {
  /** Processes that are alive even so: stuck in the kernel, or of another user. */
  readonly survivors: readonly ProcessIdentity[];
}

/**
 * Ends everything that was started on this data directory and nothing else: the agent, then the router, then the shims with
 * all their workers. Each process is named by pid, start time and boot, and what is said to be gone was seen to be gone.
 */
export async function stopEverything(dataDirectory: string): Promise<StoppedEverything> {
  if (!existsSync(dataDirectory)) return { survivors: [] };
  const paths = openDataDirectory(dataDirectory);
  const agent = readAgentRecord(paths);
  // The caller may be the agent itself.
  if (agent !== null && agent.pid !== process.pid) await end(agent, agentTimeoutMs);
  await Promise.all([
    stopRouter(paths),
    ...discoverShims(paths.bundles).flatMap((found) => (found.state === 'alive' ? [endShim(found)] : [])),
  ]);
  const survivors: ProcessIdentity[] = [];
  for (const found of discoverShims(paths.bundles)) {
    if (found.state === 'dead') survivors.push(...(await cleanLeftovers(found)));
    else survivors.push(found.shim);
  }
  return { survivors };
}

/** Ends the router of this node, if one runs; requests in flight get a few seconds. */
export async function stopRouter(paths: Pick<DataPaths, 'router'>): Promise<void> {
  const router = findRouter(paths.router);
  if (router !== null) await end(router, routerTimeoutMs);
}

async function endShim({ shim, bundle }: DiscoveredShim & { state: 'alive' }): Promise<void> {
  await end(shim, bundle.killTimeoutMs + shimGraceMs);
}

async function end(identity: ProcessIdentity, timeoutMs: number): Promise<void> {
  signalProcess(identity, 'SIGTERM');
  const killAt = performance.now() + timeoutMs;
  while (isAlive(identity) && performance.now() < killAt) await sleep(pollMs);
  if (!isAlive(identity)) return;
  signalProcess(identity, 'SIGKILL');
  const giveUpAt = performance.now() + timeoutMs;
  while (isAlive(identity) && performance.now() < giveUpAt) await sleep(pollMs);
}
