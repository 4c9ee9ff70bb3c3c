import { isPortFree, type PortBlock, reservePortBlock } from '../../scripts/cluster/port-block.ts';

let block: PortBlock | undefined;
let next = 0;
let latest: Promise<unknown> = Promise.resolve();

/**
 * A port on which nobody listens, and which nobody else is given while this process lives: neither by the kernel, which takes
 * ports for connections and for listeners on port 0 from above, nor by another test. So it may be used as late as one likes.
 * With `inARow`, at most a hundred, it is the first of so many.
 */
export function ownPort(inARow = 1): Promise<number> {
  const port = latest.then(() => take(inARow));
  latest = port.catch(() => undefined);
  return port;
}

async function take(count: number): Promise<number> {
  for (;;) {
    if (block === undefined || next + count - 1 > block.to) {
      block = await reservePortBlock();
      next = block.from;
    }
    const first = next;
    next += count;
    const free = await Promise.all(Array.from({ length: count }, (_, index) => isPortFree(first + index)));
    if (free.every(Boolean)) return first;
  }
}
