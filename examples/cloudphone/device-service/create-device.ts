import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Drover, isDroverError, type PortAllocation, type PortPools } from 'drover';
import type { DeviceHost } from './device-host.ts';
import type { Device, DevicePorts, DeviceTable } from './device-table.ts';

export interface CreateDeps {
  readonly drover: Drover;
  readonly ports: PortPools;
  readonly table: DeviceTable;
  readonly host: DeviceHost;
}

export interface CreateRequest {
  readonly userId: string;
  readonly name: string;
  /** The same again, with the same device, is the same request. */
  readonly requestKey: string | null;
}

export type Created =
  | { readonly kind: 'created'; readonly device: Device }
  /** The key was used for something else. */
  | { readonly kind: 'conflict'; readonly device: Device }
  /** An earlier request of the same key is still at it. */
  | { readonly kind: 'pending' };

/** A stranger may take a port between the look and the phone's own bind. */
const maxStarts = 3;
const settleTimeoutMs = 30_000;
const pollMs = 100;

/** The ports of a device are one allocation, with the id of the device: whoever asks again for it gets the same. */
export async function allocateFor(ports: PortPools, id: string): Promise<PortAllocation> {
  const counts = { adb: 1, webrtc: 1, scrcpy: 1 };
  const allocation = await ports.allocate(counts, { requestId: id, owner: id, sticky: true });
  const { adb, webrtc, scrcpy } = portsOf(allocation);
  console.log(`Allocated ports: ADB=${adb}, WebRTC=${webrtc}`);
  console.log(`Device ${id} on ${ports.host}: scrcpy=${scrcpy}`);
  return allocation;
}

export function portsOf({ ports }: PortAllocation): DevicePorts {
  return { adb: ports.adb![0]!, webrtc: ports.webrtc![0]!, scrcpy: ports.scrcpy![0]! };
}

/**
 * Makes a device on this host: row, ports, process. When it fails nothing of it stays; when this process dies on the way,
 * another instance of the host completes it.
 * @throws DroverError PORTS_EXHAUSTED, STORE_UNREACHABLE; Refusal 503 when the phone does not start
 */
export async function createDevice(deps: CreateDeps, request: CreateRequest): Promise<Created> {
  const { drover, table } = deps;
  const { userId, name, requestKey } = request;
  const inserted = await table.insert({ id: randomUUID(), userId, name, host: drover.host }, requestKey);
  if (inserted === null) {
    const earlier = requestKey === null ? null : await table.findByRequest(userId, requestKey);
    // It failed, and took its row back, since we were refused.
    if (earlier === null) return { kind: 'pending' };
    return earlier.name === name ? settle(table, earlier.id) : { kind: 'conflict', device: earlier };
  }
  try {
    await bringUp(deps, inserted.id);
  } catch (error) {
    // Another instance took this one for dead and has the ports of the device: it completes it.
    if (isDroverError(error) && error.code === 'ARGUMENT_INVALID') return settle(table, inserted.id);
    await table.withdraw(inserted.id);
    throw error;
  }
  return settle(table, inserted.id);
}

async function bringUp({ drover, ports, table, host }: CreateDeps, id: string): Promise<void> {
  for (let start = 1; ; start++) {
    const allocation = await allocateFor(ports, id);
    const claim = { id, token: allocation.token };
    const undo = async () => {
      // Where another instance took over meanwhile, what runs is its phone.
      if (!(await table.hasLaterKeeper(claim).catch(() => false))) await host.end(id);
      await allocation.release();
    };
    try {
      // Both writes are refused where it was deleted meanwhile, or its host was given up.
      if (!(await table.givePorts(claim, drover.coordination.participantId, portsOf(allocation)))) {
        return await allocation.release();
      }
      allocation.assertHeld();
      await host.start(id, portsOf(allocation));
      if (await table.markRunning(claim)) return;
      return await undo();
    } catch (error) {
      await undo();
      // A process that was paused for long is not sure of its ports: it asks anew.
      const isPassing = !isDroverError(error) || error.code === 'LEASE_LOST';
      if (start >= maxStarts || !isPassing) throw error;
      console.log(`Device ${id} is tried again: ${(error as Error).message}`);
    }
  }
}

/** Waits until a device that somebody makes is made. */
async function settle(table: DeviceTable, id: string): Promise<Created> {
  const giveUpAtMs = performance.now() + settleTimeoutMs;
  for (;;) {
    const device = await table.findById(id);
    if (device !== null && device.state !== 'creating') return { kind: 'created', device };
    if (device === null || performance.now() >= giveUpAtMs) return { kind: 'pending' };
    await sleep(pollMs);
  }
}
