import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isAlive } from '../../../agent/process/process-identity.ts';
import { bundlePaths, readJsonFile } from '../../../agent/shim/bundle-files.ts';
import { connectShim, type ShimClient } from '../../../agent/shim/client.ts';
import { cleanLeftovers, discoverShims } from '../../../agent/shim/discover.ts';
import { type LaunchOptions, launchShim } from '../../../agent/shim/launch.ts';
import type { Bundle, ShimRecord, StartInstance, StateLine, WorkerSnapshot } from '../../../agent/shim/protocol.ts';
import { eventually } from '../../support/eventually.ts';
import type { Lifetime } from '../../support/lifetime.ts';
import { tempDirectory } from '../../support/temp-directory.ts';

export const FIXTURES = fileURLToPath(new URL('../../fixtures/workers', import.meta.url));

export type BundleOverrides = Partial<Omit<Bundle, 'restart' | 'logs'>> & {
  readonly restart?: Partial<Bundle['restart']>;
  readonly logs?: Partial<Bundle['logs']>;
};

/** A real shim with its own directory, and all that was seen of its workers. Everything is gone when the test ends. */
export async function runShim(
  t: Lifetime,
  overrides: BundleOverrides = {},
  more: Pick<LaunchOptions, 'nodePath'> = {},
) {
  // Hooks run in the order in which they were added: the shim must be gone before its directory is.
  const directories: { bundle?: string } = {};
  const connection: { client: ShimClient | null } = { client: null };
  t.after(async () => {
    connection.client?.close();
    if (directories.bundle !== undefined) await endShim(directories.bundle);
  });
  const root = tempDirectory(t);
  const directory = join(root, 'bundles', 'web-1');
  const bundle = testBundle(root, overrides);
  const events: StateLine[] = [];
  const onState = (line: StateLine) => events.push(line);
  directories.bundle = directory;

  connection.client = await launchShim({
    directory,
    bundle,
    onState,
    ...more,
    compileCacheDirectory: join(dirname(FIXTURES), '..', '..', 'node_modules', '.cache', 'drover-test-shim'),
  });
  const shim = {
    root,
    bundlesRoot: dirname(directory),
    directory,
    bundle,
    events,
    get client(): ShimClient {
      return connection.client!;
    },
    get pid(): number {
      return readJsonFile<ShimRecord>(bundlePaths(directory).shim)!.pid;
    },
    start: (id: string, instance: Partial<StartInstance> = {}, failFast = false) =>
      shim.client.request({
        type: 'start',
        instance: { id, slot: 0, port: null, env: {}, ...instance },
        failFast,
      }),
    async worker(id: string): Promise<WorkerSnapshot> {
      const status = await shim.client.request({ type: 'status' });
      const worker = status?.workers.find(({ instanceId }) => instanceId === id);
      if (worker === undefined) throw new Error(`The shim does not know ${id}`);
      return worker;
    },
    /** Waits until the worker is in the phase, and answers with its snapshot then. */
    reaches: (id: string, phase: WorkerSnapshot['phase'], timeoutMs = 8_000) =>
      eventually(
        async () => {
          const worker = await shim.worker(id);
          if (worker.phase !== phase) throw new Error(`${id} is ${JSON.stringify(worker)}`);
          return worker;
        },
        { timeoutMs },
      ),
    /** Waits until the worker is in the phase after its first restart. */
    isRestarted: (id: string, phase: WorkerSnapshot['phase']) =>
      eventually(
        async () => {
          const worker = await shim.worker(id);
          if (worker.restarts !== 1 || worker.phase !== phase) throw new Error(`${id} is ${JSON.stringify(worker)}`);
          return worker;
        },
        { timeoutMs: 8_000 },
      ),
    phases: (id: string) => events.filter(({ worker }) => worker.instanceId === id).map(({ worker }) => worker.phase),
    log: (id: string, stream: 'out' | 'err' = 'out', suffix = '') => {
      const path = join(bundle.logs.directory, `${id}.${stream}.log${suffix}`);
      return existsSync(path) ? readFileSync(path, 'utf8') : '';
    },
    /** As an agent that has been restarted does. */
    async reconnect(): Promise<ShimClient> {
      connection.client = await connectShim({ socketPath: bundle.socketPath, onState });
      return connection.client;
    },
  };
  return shim;
}

export function testBundle(root: string, { restart, logs, ...overrides }: BundleOverrides = {}): Bundle {
  return {
    version: 1,
    service: 'web',
    revision: 1,
    socketPath: join(root, 'shim.sock'),
    cwd: FIXTURES,
    script: 'serves-http.mjs',
    args: [],
    nodeArgs: [],
    execMode: 'fork',
    schedulingPolicy: 'shared',
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOST: '127.0.0.1' },
    instanceVar: 'NODE_APP_INSTANCE',
    waitReady: false,
    expectListen: true,
    listenTimeoutMs: 8_000,
    killSignal: 'SIGINT',
    killTimeoutMs: 1_500,
    treekill: true,
    shutdownWithMessage: false,
    maxMemoryBytes: 0,
    ...overrides,
    restart: {
      autorestart: true,
      maxRestarts: 16,
      minUptimeMs: 200,
      restartDelayMs: 0,
      expBackoffRestartDelayMs: 0,
      stopExitCodes: [],
      ...restart,
    },
    logs: { maxFileBytes: 10_000_000, maxFiles: 5, time: false, directory: join(root, 'logs'), ...logs },
  };
}

async function endShim(directory: string): Promise<void> {
  const record = readJsonFile<ShimRecord>(bundlePaths(directory).shim);
  if (record !== null && isAlive(record)) process.kill(record.pid, 'SIGKILL');
  await eventually(() => record === null || !isAlive(record));
  for (const shim of discoverShims(dirname(directory))) if (shim.state === 'dead') await cleanLeftovers(shim);
}
