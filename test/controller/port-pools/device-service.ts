// A service with two devices: takes a port for each, has a child of its own listen there, and says which. It lives until killed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { openCoordination } from '../../../shared/coordination/open-coordination.ts';
import { createPortPools } from '../../../shared/coordination/port-pool/port-pools.ts';

const { url, prefix, host, from, deviceLifeMs } = JSON.parse(process.argv[2]!);
const device = fileURLToPath(new URL('../../faults/ports/device.ts', import.meta.url));
const address = '127.0.0.1';
const coordination = openCoordination({ url, prefix, identity: `${host}/service` });
await coordination.ready();
const pools = { adb: { from, to: from + 9 } };
const portPools = await createPortPools(coordination, { host, pools, ownerTtlMs: 1000, bindAddress: address });
const devices: { port: number; pid: number }[] = [];
for (const owner of ['emulator-1', 'emulator-2']) {
  const allocation = await portPools.allocate({ adb: 1 }, { owner });
  const port = allocation.ports.adb![0]!;
  const child = spawn(process.execPath, [device, String(port), address, String(deviceLifeMs)], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(child.stdout!, 'data');
  devices.push({ port, pid: child.pid! });
}
process.stdout.write(`${JSON.stringify(devices)}\n`);
