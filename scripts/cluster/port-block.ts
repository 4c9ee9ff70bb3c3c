import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Below the range from which the kernel takes ports for outgoing connections. */
const firstPort = 20_000;
const lastPort = 31_999;
/** All blocks are of one size, so that two never overlap. */
const size = 100;
const directory = join(tmpdir(), 'drover-port-blocks');
/** A block whose owner file is missing this long was left by a crash between the two steps. */
const graceMs = 5_000;

/** A range of ports that no other cluster on this machine was given by the same means; free it with `release`. */
export interface PortBlock {
  readonly from: number;
  readonly to: number;
  release(): Promise<void>;
}

/** Ranges are claimed by making a directory, which only one process can do. A claim of a dead process is taken over. */
export async function reservePortBlock(): Promise<PortBlock> {
  await mkdir(directory, { recursive: true });
  const blocks = Math.floor((lastPort - firstPort + 1) / size);
  const start = Math.floor(Math.random() * blocks);
  for (let step = 0; step < blocks; step += 1) {
    const from = firstPort + ((start + step) % blocks) * size;
    const claim = join(directory, `${from}`);
    if (await claimed(claim)) {
      return { from, to: from + size - 1, release: () => rm(claim, { recursive: true, force: true }) };
    }
  }
  throw new Error(`All ranges of ${size} ports between ${firstPort} and ${lastPort} are in use by local clusters`);
}

async function claimed(claim: string): Promise<boolean> {
  try {
    await mkdir(claim);
  } catch {
    if (!(await isAbandoned(claim))) return false;
    await rm(claim, { recursive: true, force: true });
    return claimed(claim);
  }
  await writeFile(join(claim, 'pid'), String(process.pid));
  return true;
}

async function isAbandoned(claim: string): Promise<boolean> {
  const pid = Number(await readFile(join(claim, 'pid'), 'utf8').catch(() => '0'));
  if (pid > 0) {
    const status = await stat(`/proc/${pid}`).catch(() => null);
    return status === null;
  }
  const made = await stat(claim).catch(() => null);
  return made === null || Date.now() - made.mtimeMs > graceMs;
}
