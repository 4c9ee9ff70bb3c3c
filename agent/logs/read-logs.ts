import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { LogChunk } from '../../shared/contracts/agent-session.ts';

/** At most so much is read for one answer; a reader that follows asks again at once. */
const maxChunkBytes = 512 * 1024;
/** Lines of one answer to a reader that follows. */
const maxFollowLines = 5_000;
const newline = 0x0a;

export interface ReadLogsOptions {
  /** Of the current file; rotated ones are beside it as `path.1` (newest) and so on. */
  readonly path: string;
  /** Where the reader is; null for the last `lines` lines. */
  readonly position: number | null;
  /** Which file the position is in, as an earlier answer named it. */
  readonly file: string | null;
  readonly lines: number;
}

interface LogPiece {
  readonly path: string;
  readonly id: string;
  readonly bytes: number;
}

/**
 * Reads whole lines. A reader that passes back `position` and `file` gets every line once and in order, over any number of
 * rotations, unless it was so slow that the file it was in is gone; then it goes on with the oldest there is.
 */
export function readLogs(options: ReadLogsOptions): LogChunk {
  const pieces = listPieces(options.path);
  const newest = pieces.at(-1);
  if (newest === undefined) return { lines: [], position: 0, file: options.file ?? '' };
  if (options.position === null) return readTail(pieces, options.lines);
  return readOn(pieces, options.position, options.file);
}

function readTail(pieces: readonly LogPiece[], wanted: number): LogChunk {
  const lines: string[] = [];
  let end = { position: 0, file: '' };
  let budget = maxChunkBytes;
  for (const piece of pieces.toReversed()) {
    const isNewest = end.file === '';
    const from = Math.max(0, piece.bytes - budget);
    const buffer = readBytes(piece, from, piece.bytes - from);
    // A line that is not finished yet is left for the next answer; in a rotated file it is finished.
    const until = isNewest ? buffer.lastIndexOf(newline) + 1 : buffer.length;
    const begin = from === 0 ? 0 : buffer.indexOf(newline) + 1;
    if (isNewest) end = { position: from + until, file: piece.id };
    lines.unshift(...splitLines(buffer.subarray(Math.min(begin, until), until)));
    budget -= buffer.length;
    if (lines.length >= wanted || budget <= 0) break;
  }
  return { lines: wanted === 0 ? [] : lines.slice(-wanted), ...end };
}

function readOn(pieces: readonly LogPiece[], position: number, file: string | null): LogChunk {
  const found = pieces.findIndex(({ id }) => id === file);
  let index = Math.max(0, found);
  let at = found === -1 ? 0 : position;
  const lines: string[] = [];
  for (;;) {
    const piece = pieces[index]!;
    const isNewest = index === pieces.length - 1;
    const buffer = readBytes(piece, at, Math.min(maxChunkBytes, piece.bytes - at));
    const reachesEnd = at + buffer.length >= piece.bytes;
    const lastLineEnd = buffer.lastIndexOf(newline) + 1;
    // A line longer than the chunk is given in parts, so that it cannot hold up the reader for ever.
    const isOneLongLine = lastLineEnd === 0 && buffer.length === maxChunkBytes;
    const until = (reachesEnd && !isNewest) || isOneLongLine ? buffer.length : lastLineEnd;
    lines.push(...splitLines(buffer.subarray(0, until)));
    at += until;
    if (isNewest || !reachesEnd || lines.length >= maxFollowLines) {
      if (reachesEnd && !isNewest) return { lines, position: 0, file: pieces[index + 1]!.id };
      return { lines, position: at, file: piece.id };
    }
    index += 1;
    at = 0;
  }
}

/** Oldest first. The birth time is part of a file's name, because the inode of a removed file is soon used again. */
function listPieces(path: string): LogPiece[] {
  const name = basename(path);
  let names: string[];
  try {
    names = readdirSync(dirname(path));
  } catch {
    return [];
  }
  return names
    .map((candidate) => ({ candidate, age: ageOf(candidate, name) }))
    .filter(({ age }) => age !== null)
    .sort((a, b) => b.age! - a.age!)
    .flatMap(({ candidate }) => {
      const file = join(dirname(path), candidate);
      const stat = statSync(file, { throwIfNoEntry: false });
      return stat === undefined
        ? []
        : [{ path: file, id: `${stat.ino}-${Math.floor(stat.birthtimeMs)}`, bytes: stat.size }];
    });
}

function ageOf(candidate: string, name: string): number | null {
  if (candidate === name) return 0;
  const suffix = candidate.startsWith(`${name}.`) ? candidate.slice(name.length + 1) : '';
  return /^\d+$/.test(suffix) ? Number(suffix) : null;
}

/** A file that was rotated away since it was listed is found by its new name at the next call: nothing is read then. */
function readBytes({ path, id }: LogPiece, from: number, length: number): Buffer {
  if (length <= 0) return Buffer.alloc(0);
  const fd = openSync(path, 'r');
  try {
    const stat = fstatSync(fd);
    if (`${stat.ino}-${Math.floor(stat.birthtimeMs)}` !== id) throw new Error('The log was rotated while it was read');
    const buffer = Buffer.allocUnsafe(length);
    return buffer.subarray(0, readSync(fd, buffer, 0, length, from));
  } finally {
    closeSync(fd);
  }
}

function splitLines(bytes: Buffer): string[] {
  if (bytes.length === 0) return [];
  const lines = bytes.toString('utf8').split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}
