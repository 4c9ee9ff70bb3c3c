import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';

/** Where a server has its append-only file. */
export async function dataDirectoryOf(redis: Redis): Promise<string> {
  const [, directory] = (await redis.config('GET', 'dir')) as [string, string];
  return directory;
}

/** The append-only file of a server that still runs, or ran, in `directory`: all effects, in the order in which Redis made them. */
export function readAppendOnlyFile(directory: string): string[][] {
  const folder = join(directory, 'appendonlydir');
  const parts = readdirSync(folder).filter((name) => name.endsWith('.incr.aof'));
  parts.sort((a, b) => sequenceOf(a) - sequenceOf(b));
  return parts.flatMap((name) => parseCommands(readFileSync(join(folder, name))));
}

function sequenceOf(name: string): number {
  return Number(/\.(\d+)\.incr\.aof$/.exec(name)?.[1] ?? 0);
}

/** Commands as RESP arrays of bulk strings; a last one that is not whole is left out. Lines of comment begin with `#`. */
export function parseCommands(data: Buffer): string[][] {
  const commands: string[][] = [];
  let position = 0;
  const line = (): string | null => {
    const end = data.indexOf('\r\n', position);
    if (end === -1) return null;
    const text = data.toString('utf8', position, end);
    position = end + 2;
    return text;
  };
  while (position < data.length) {
    const head = line();
    if (head === null) break;
    if (head.startsWith('#')) continue;
    const words: string[] = [];
    for (let left = Number(head.slice(1)); left > 0; left--) {
      const length = Number(line()?.slice(1) ?? Number.NaN);
      if (Number.isNaN(length) || position + length + 2 > data.length) return commands;
      words.push(data.toString('utf8', position, position + length));
      position += length + 2;
    }
    commands.push(words);
  }
  return commands;
}
