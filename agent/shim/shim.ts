import { rmSync } from 'node:fs';
import { isAlive, readProcessIdentity } from '../process/process-identity.ts';
import { bundlePaths, readJsonFile, writeJsonFile } from './bundle-files.ts';
import { ControlServer } from './control-server.ts';
import { type Bundle, PROTOCOL_VERSION, type ShimRecord } from './protocol.ts';
import type { SpawnPaths } from './spawn-worker.ts';
import { Supervisor } from './supervisor.ts';

/** A shim without workers and without an agent is of no use to anyone; long enough for an agent to be upgraded. */
const IDLE_EXIT_MS = 60_000;

/** A look at a path, often enough that an agent which finds no socket waits a few seconds only. */
const REACHABLE_CHECK_MS = 2_000;

export interface ShimOptions {
  readonly directory: string;
  readonly paths: SpawnPaths;
  /** A problem of the shim itself, for its log. */
  onTrouble(error: unknown): void;
  /** The shim has ended; its process should too. */
  onEnd(): void;
}

export interface Shim {
  /** Stops all workers properly, then ends the shim. */
  stop(): Promise<void>;
}

/**
 * Runs the bundle in a directory. Rejects when there is no readable bundle, when another shim runs it, or when the
 * socket cannot be bound. `shim.json` appears last, so whoever sees it can connect.
 */
export async function startShim(options: ShimOptions): Promise<Shim> {
  const { directory, onTrouble } = options;
  const files = bundlePaths(directory);
  const bundle = readJsonFile<Bundle>(files.bundle);
  if (bundle === null) throw new Error(`${files.bundle} is missing or is not JSON`);
  const previous = readJsonFile<ShimRecord>(files.shim);
  if (previous !== null && isAlive(previous)) throw new Error(`pid ${previous.pid} runs the bundle in ${directory}`);

  const supervisor: Supervisor = new Supervisor({
    bundle,
    directory,
    paths: options.paths,
    onTrouble,
    onState: (line) => server.send(line),
    onShutdown: () => void end(),
  });
  const server = new ControlServer(bundle.socketPath, supervisor);
  await server.listen();
  const identity = readProcessIdentity(process.pid)!;
  const record: ShimRecord = { ...identity, version: PROTOCOL_VERSION, socketPath: bundle.socketPath };
  writeJsonFile(files.shim, record);

  let idleSinceMs = performance.now();
  const idleTimer = setInterval(() => {
    if (server.hasAgent || supervisor.hasLiveWorkers) idleSinceMs = performance.now();
    else if (performance.now() - idleSinceMs >= IDLE_EXIT_MS) void end();
  }, IDLE_EXIT_MS / 10);

  const reachableTimer = setInterval(() => void server.keepReachable().catch(onTrouble), REACHABLE_CHECK_MS);

  let ending: Promise<void> | null = null;
  function end(): Promise<void> {
    ending ??= (async () => {
      clearInterval(idleTimer);
      clearInterval(reachableTimer);
      await supervisor.stopAll();
      rmSync(files.shim, { force: true });
      await server.close();
      options.onEnd();
    })();
    return ending;
  }
  return { stop: end };
}
