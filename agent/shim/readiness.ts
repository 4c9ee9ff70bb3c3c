import { setTimeout as sleep } from 'node:timers/promises';
import { findListeningPort, type ListeningAddress } from '../process/listening-port.ts';
import { findProcessTree } from '../process/process-tree.ts';
import type { Bundle } from './protocol.ts';
import type { WorkerProcess } from './worker-process.ts';

/** A look reads the host's TCP tables, so looks get rarer for a service that takes long. */
const FIRST_LOOK_MS = 20;
const SLOWEST_LOOK_MS = 200;

export type Readiness =
  | { readonly ready: true; readonly listening: ListeningAddress | null }
  /** The sentence says what was waited for. */
  | { readonly ready: false; readonly message: string };

/**
 * Waits until a worker is ready: by its 'ready' message, by listening, or by having survived `minUptimeMs`, as its
 * bundle says. Running out of time is a failure, never a reason to go on. Rejects only when the signal aborts.
 */
export function waitUntilReady(
  bundle: Bundle,
  worker: WorkerProcess,
  port: number | null,
  signal: AbortSignal,
): Promise<Readiness> {
  if (bundle.waitReady) return waitForMessage(bundle, worker, port, signal);
  if (bundle.expectListen && bundle.execMode === 'cluster' && worker.canDrain) {
    return waitForClusterListening(bundle, worker, signal);
  }
  if (bundle.expectListen && port !== null) return waitForPort(bundle, worker, port, signal);
  return surviveMinUptime(bundle, signal);
}

async function waitForMessage(
  bundle: Bundle,
  worker: WorkerProcess,
  port: number | null,
  signal: AbortSignal,
): Promise<Readiness> {
  const arrived = await within(
    bundle.listenTimeoutMs,
    worker.readyMessage.then(() => true),
    signal,
  );
  if (arrived === null) {
    return { ready: false, message: `it did not send 'ready' within ${bundle.listenTimeoutMs} ms` };
  }
  const found = port === null ? null : lookForPort(worker, port);
  return { ready: true, listening: found === 'stranger' ? null : found };
}

async function waitForClusterListening(bundle: Bundle, worker: WorkerProcess, signal: AbortSignal): Promise<Readiness> {
  const listening = await within(bundle.listenTimeoutMs, worker.listening, signal);
  if (listening === null) return { ready: false, message: `it did not listen within ${bundle.listenTimeoutMs} ms` };
  return { ready: true, listening };
}

async function waitForPort(
  bundle: Bundle,
  worker: WorkerProcess,
  port: number,
  signal: AbortSignal,
): Promise<Readiness> {
  const deadline = performance.now() + bundle.listenTimeoutMs;
  let pauseMs = FIRST_LOOK_MS;
  for (;;) {
    const found = lookForPort(worker, port);
    if (found !== null && found !== 'stranger') return { ready: true, listening: found };
    if (performance.now() >= deadline) {
      const holder = found === 'stranger' ? `; another process holds the port` : '';
      return {
        ready: false,
        message: `it did not listen on port ${port} within ${bundle.listenTimeoutMs} ms${holder}`,
      };
    }
    await sleep(pauseMs, undefined, { signal });
    pauseMs = Math.min(pauseMs * 1.2, SLOWEST_LOOK_MS);
  }
}

async function surviveMinUptime(bundle: Bundle, signal: AbortSignal): Promise<Readiness> {
  await sleep(bundle.restart.minUptimeMs, undefined, { signal });
  return { ready: true, listening: null };
}

function lookForPort(worker: WorkerProcess, port: number): ListeningAddress | 'stranger' | null {
  const root = worker.identity;
  return findListeningPort({
    pid: root.pid,
    port,
    pidsOfTree: () => findProcessTree({ root }).map(({ pid }) => pid),
  });
}

/** The value, or null when it did not come in time. */
async function within<T>(timeoutMs: number, value: Promise<T>, signal: AbortSignal): Promise<T | null> {
  const timer = new AbortController();
  try {
    const tooLate = sleep(timeoutMs, null, { signal: AbortSignal.any([signal, timer.signal]) });
    return await Promise.race([value, tooLate]);
  } finally {
    timer.abort();
  }
}
