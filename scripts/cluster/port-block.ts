import { rmSync } from 'node:fs';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
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
const directory = join(tmpdir(), 'drover-port-blocks');
/** A block whose owner file is missing this long was left by a crash between the two steps. */
const graceMs = 5_000;

/** A range of ports that no other process on this machine was given by the same means; free it with `release`. */
export interface PortBlock {
  readonly from: number;
  readonly to: number;
  /** Has been done when it returns, so that a process that exits may call it. */
  release(): Promise<void>;
}

/** Ranges are claimed by making a directory, which only one process can do. A claim of a dead process is taken over. */
export async function reservePortBlock(): Promise<PortBlock> {
  await mkdir(directory, { recursive: true });
  const blocks = ranges.flatMap(({ from, to }) =>
    Array.from({ length: (to - from + 1) / size }, (_, index) => from + index * size),
  );
  const start = Math.floor(Math.random() * blocks.length);
  for (let step = 0; step < blocks.length; step += 1) {
    const from = blocks[(start + step) % blocks.length]!;
    const claim = join(directory, `${from}`);
    if (await claimed(claim)) {
      return { from, to: from + size - 1, release: async () => rmSync(claim, { recursive: true, force: true }) };
    }
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

async function claimed(claim: string): Promise<boolean> {
  try {
    await mkdir(claim);
  } catch {
    return (await removedAbandoned(claim)) && (await claimed(claim));
  }
  await writeFile(join(claim, 'pid'), String(process.pid));
  return true;
}

/** Of those who find a claim abandoned at the same time one removes it: who makes the mark, while it still is that claim. */
async function removedAbandoned(claim: string): Promise<boolean> {
  const owner = await readOwner(claim);
  if (!(await isAbandoned(claim, owner))) return false;
  const mark = join(claim, 'taken');
  try {
    await mkdir(mark);
  } catch {
    return false;
  }
  const isTheSame = (await readOwner(claim)) === owner;
  await rm(isTheSame ? claim : mark, { recursive: true, force: true });
  return isTheSame;
}

/** Its process; 0 while it has not said so. */
async function readOwner(claim: string): Promise<number> {
  return Number(await readFile(join(claim, 'pid'), 'utf8').catch(() => '0'));
}

async function isAbandoned(claim: string, owner: number): Promise<boolean> {
  if (owner > 0) return (await stat(`/proc/${owner}`).catch(() => null)) === null;
  const made = await stat(claim).catch(() => null);
  return made === null || Date.now() - made.mtimeMs > graceMs;
}
