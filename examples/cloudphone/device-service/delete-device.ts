import { setTimeout as sleep } from 'node:timers/promises';
import type { Device, DeviceTable } from './device-table.ts';
import type { Keeper } from './keeper.ts';

/** The host of the device is told at once; it looks by itself every second or so as well. */
const waitMs = 5_000;
const pollMs = 50;

/**
 * Says that a device is not wanted, and waits a little until its host has made it so. Whoever asks again, for a device that is
 * gone or about to be, gets the same answer.
 */
export async function deleteDevice(
  { table, keeper }: { table: DeviceTable; keeper: Keeper },
  device: Device,
): Promise<Device> {
  await table.requestDeletion(device.id);
  await keeper.wakeHost(device.host);
  const giveUpAtMs = performance.now() + waitMs;
  for (;;) {
    const now = (await table.findById(device.id)) ?? { ...device, state: 'gone' };
    if (now.state === 'gone' || performance.now() >= giveUpAtMs) return now;
    await sleep(pollMs);
  }
}
