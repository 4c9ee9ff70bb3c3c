import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Below the range from which the kernel takes ports for outgoing connections, and without those that devices of the example
 * platform have on the same addresses: 27,183 to 28,182 by default, from 31,000 on in tests.
 */
const ranges = [
  { from: 20_000, to: 26_999 },
  { from: 28_200, to: 30_999 },
] as const;
/** All blocks are of one size, so that two never overlap. */
const size = 100;

/** A range of ports that no other process on this machine was given by the same means; free it with `release`. */
export interface PortBlock {
  readonly from: number;
  readonly to: number;
  release(): Promise<void>;
}

/**
 * A range is claimed by listening at an address in the abstract namespace, which only one process can do; like ports it is
 * one for each network. The kernel gives it back when its process ends, however it does.
 */
export async function reservePortBlock(): Promise<PortBlock> {
  const blocks = ranges.flatMap(({ from, to }) =>
    Array.from({ length: (to - from + 1) / size }, (_, index) => from + index * size),
  );
  const start = Math.floor(Math.random() * blocks.length);
  for (let step = 0; step < blocks.length; step += 1) {
    const from = blocks[(start + step) % blocks.length]!;
    const claim = await claimed(from);
    if (claim === null) continue;
    return { from, to: from + size - 1, release: () => new Promise((resolve) => void claim.close(() => resolve())) };
  }
  throw new Error(`All ${blocks.length} ranges of ${size} ports are in use by local clusters and tests`);
}

/** Whether nobody listens on it now, on any address. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}

function claimed(from: number): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const claim = createServer((socket) => socket.destroy()).unref();
    claim.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(null);
      else reject(error);
    });
    claim.listen(`\0${join(tmpdir(), 'drover-port-blocks')}/${from}`, () => resolve(claim));
  });
}
