import type { Server } from 'socket.io';

import { DroverError } from '../../shared/contracts/drover-error.ts';
import { type Clock, systemClock } from '../../shared/runtime/clock.ts';

export interface DrainSocketsOptions {
  /** All are gone after so long; default 10,000. Stay below the time that the instance is given to stop. */
  readonly overMs?: number;
  /** Connections ended at a time; default 20. */
  readonly batch?: number;
  readonly clock?: Clock;
  /** Ends the rest at once. */
  readonly signal?: AbortSignal;
}

/** Clients are told with this event, and how many ms they have. */
export const drainEvent = 'drover:drain';

const maxOverMs = 3_600_000;
const maxBatch = 10_000;

/**
 * Sends the clients of this server elsewhere, a few at a time, so that the others are not run over: first all hear
 * `drover:drain` with the time that is left, then their connections are closed batch by batch. The connection is closed,
 * not the socket disconnected: a client takes the latter for a farewell and does not come back by itself. Stop taking in
 * new ones before.
 * @returns how many connections were closed here; those that left by themselves are not counted
 * @throws DroverError ARGUMENT_INVALID
 */
export async function drainSockets(io: Server, options: DrainSocketsOptions = {}): Promise<number> {
  const { overMs = 10_000, batch = 20, clock = systemClock, signal } = options;
  assertWithin('overMs', overMs, 0, maxOverMs);
  assertWithin('batch', batch, 1, maxBatch);
  const startedMs = clock.monotonicMs();
  const connections = new Set<{ readonly readyState: string; close(): unknown }>();
  for (const namespace of io._nsps.values()) {
    namespace.local.emit(drainEvent, { withinMs: overMs });
    // Sockets of several namespaces share one connection.
    for (const { conn } of namespace.sockets.values()) connections.add(conn);
  }
  const waiting = [...connections];
  const batches = Math.ceil(waiting.length / batch);
  let ended = 0;
  for (let index = 0; index < batches; index++) {
    // The first batch waits too: the event has to arrive before the end.
    const dueMs = startedMs + ((index + 1) / (batches + 1)) * overMs;
    await clock.sleep(Math.max(0, dueMs - clock.monotonicMs()), signal);
    for (const connection of waiting.slice(index * batch, (index + 1) * batch)) {
      if (connection.readyState !== 'open') continue;
      connection.close();
      ended += 1;
    }
  }
  return ended;
}

function assertWithin(path: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  const allowed = `a whole number from ${min} to ${max}`;
  throw new DroverError('ARGUMENT_INVALID', `${path}: is out of range (allowed: ${allowed})`, {
    issues: [{ path, reason: 'is out of range', allowed }],
  });
}
