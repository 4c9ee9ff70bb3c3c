import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { killProcessTree } from '../process/kill-process-tree.ts';
import { isAlive, type ProcessIdentity } from '../process/process-identity.ts';
import { findProcessTree } from '../process/process-tree.ts';
import { bundlePaths, readJsonFile, removeWorkerRecord } from './bundle-files.ts';
import type { Bundle, ExitRecord, ShimRecord, WorkerRecord } from './protocol.ts';
import { markersOf } from './worker-environment.ts';

/** What a dead shim has left of one instance. */
export interface Leftover {
  readonly instanceId: string;
  /** The worker itself; null when only its start was recorded. */
  readonly process: ProcessIdentity | null;
  /** All of its tree that is alive. */
  readonly living: readonly ProcessIdentity[];
}

export type DiscoveredShim =
  | { readonly state: 'alive'; readonly directory: string; readonly bundle: Bundle; readonly shim: ShimRecord }
  | {
      readonly state: 'dead';
      readonly directory: string;
      readonly bundle: Bundle;
      /** Nobody supervises these any more: clean them before anything of the service is started. */
      readonly leftovers: readonly Leftover[];
    };

/**
 * Looks at every bundle directory directly under `root`. A shim is alive when the very process of its record is: same
 * pid, start time and boot. Directories without a readable bundle are left out. Changes nothing.
 */
export function discoverShims(root: string): DiscoveredShim[] {
  const found: DiscoveredShim[] = [];
  for (const name of listNames(root)) {
    const directory = join(root, name);
    const files = bundlePaths(directory);
    const bundle = readJsonFile<Bundle>(files.bundle);
    if (bundle === null) continue;
    const shim = readJsonFile<ShimRecord>(files.shim);
    if (shim !== null && isAlive(shim)) found.push({ state: 'alive', directory, bundle, shim });
    else found.push({ state: 'dead', directory, bundle, leftovers: findLeftovers(directory, bundle) });
  }
  return found;
}

/**
 * Ends what a dead shim has left and removes its records. Resolves with what could not be killed; its record stays. A
 * process that only has the pid of a recorded one is never touched.
 */
export async function cleanLeftovers(dead: DiscoveredShim & { state: 'dead' }): Promise<ProcessIdentity[]> {
  const { killSignal, killTimeoutMs } = dead.bundle;
  const results = await Promise.all(
    dead.leftovers.map(async ({ instanceId, process }) => {
      const { survivors } = await killProcessTree({
        root: rootOf(process),
        markers: markersOf(dead.bundle, instanceId),
        signal: killSignal,
        killTimeoutMs,
      });
      if (survivors.length === 0) removeWorkerRecord(dead.directory, instanceId);
      return survivors;
    }),
  );
  if (results.flat().length === 0) rmSync(bundlePaths(dead.directory).shim, { force: true });
  return results.flat();
}

/** The recorded exits of a bundle, oldest first. A line cut short by a crash is left out. */
export function readExitRecords(directory: string): ExitRecord[] {
  const { exits } = bundlePaths(directory);
  const records: ExitRecord[] = [];
  for (const path of [`${exits}.1`, exits]) {
    for (const line of readLines(path)) {
      try {
        records.push(JSON.parse(line) as ExitRecord);
      } catch {
        // The shim, or the host, died while it wrote this one.
      }
    }
  }
  return records;
}

function findLeftovers(directory: string, bundle: Bundle): Leftover[] {
  const { workers } = bundlePaths(directory);
  const leftovers: Leftover[] = [];
  for (const name of listNames(workers)) {
    const record = name.endsWith('.json') ? readJsonFile<WorkerRecord>(join(workers, name)) : null;
    if (record === null) continue;
    const { instanceId, process } = record;
    const living = findProcessTree({ root: rootOf(process), markers: markersOf(bundle, instanceId) });
    leftovers.push({ instanceId, process, living });
  }
  return leftovers;
}

/**
 * Long after a worker's end its number may name a stranger's process group, so then only the marker tells what was its.
 */
function rootOf(process: ProcessIdentity | null): ProcessIdentity | null {
  return process !== null && isAlive(process) ? process : null;
}

function listNames(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}
