import { close, existsSync, fstatSync, mkdirSync, open, renameSync, writev } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

const openFile = promisify(open);
const closeFile = promisify(close);
const writeBuffers = promisify(writev);

const NEWLINE = 0x0a;

/**
 * Above this much unwritten output the worker's pipe is left full, so a slow disk slows the worker and not our memory.
 */
const PAUSE_ABOVE_BYTES = 1024 * 1024;
const RESUME_BELOW_BYTES = PAUSE_ABOVE_BYTES / 2;

/** `writev` takes at most 1,024 buffers (IOV_MAX). */
const MAX_BUFFERS_PER_WRITE = 1_024;

export interface LogFileOptions {
  readonly path: string;
  /** A file is rotated before a line that would take it past this size. */
  readonly maxFileBytes: number;
  /** With the current one: `path`, `path.1` (newest) to `path.<maxFiles - 1>`. At least 1. */
  readonly maxFiles: number;
}

/**
 * Appends bytes to a file that is rotated by rename. Nothing is lost in a rotation, and no line is cut in two by one
 * unless it is longer than `maxFileBytes` by itself; so a file is at most one line larger than that. What the disk does
 * not take (full, gone) is counted in `lostBytes`, and later output is tried again.
 */
export class LogFile {
  readonly #options: LogFileOptions;
  #fd: number | null = null;
  #size = 0;
  /** Bytes of the unfinished line at the end of the file. */
  #lineBytes = 0;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #unwrittenBytes = 0;
  #writing: Promise<void> | null = null;
  #reopenWanted = false;
  #resume: (() => void)[] = [];
  lostBytes = 0;

  constructor(options: LogFileOptions) {
    this.#options = options;
  }

  /** Takes the bytes over at once. False: stop giving until `whenWritable` resolves. */
  write(bytes: Buffer): boolean {
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    this.#writing ??= this.#writeQueue();
    return this.#queuedBytes <= PAUSE_ABOVE_BYTES;
  }

  whenWritable(): Promise<void> {
    if (this.#queuedBytes <= RESUME_BELOW_BYTES) return Promise.resolve();
    return new Promise((resolve) => this.#resume.push(resolve));
  }

  /** Before the next write the path is opened anew, for those who moved or removed the file. */
  reopen(): void {
    this.#reopenWanted = true;
  }

  /** Resolves when all that was given is on disk, or is counted as lost. */
  async flush(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#closeFd();
  }

  async #writeQueue(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, MAX_BUFFERS_PER_WRITE);
      await this.#append(batch);
      this.#queuedBytes -= sizeOf(batch);
      if (this.#queuedBytes <= RESUME_BELOW_BYTES) for (const resume of this.#resume.splice(0)) resume();
    }
    this.#writing = null;
  }

  async #append(batch: readonly Buffer[]): Promise<void> {
    this.#unwrittenBytes = sizeOf(batch);
    try {
      if (this.#reopenWanted) await this.#closeFd();
      this.#reopenWanted = false;
      let pending: Buffer[] = [];
      for (const chunk of batch) {
        let rest = chunk;
        while (rest.length > 0) {
          await this.#openIfClosed();
          const { take, rotateAfter } = this.#nextPiece(rest);
          const piece = rest.subarray(0, take);
          rest = rest.subarray(take);
          pending.push(piece);
          this.#account(piece);
          if (!rotateAfter) continue;
          await this.#writeAll(pending);
          pending = [];
          await this.#rotate();
        }
      }
      await this.#writeAll(pending);
    } catch {
      // A full or broken disk must not end the shim, nor stop the worker: what it did not take is counted.
      this.lostBytes += this.#unwrittenBytes;
    }
  }

  /** How many of these bytes belong into the current file, and whether it is full then. */
  #nextPiece(bytes: Buffer): { take: number; rotateAfter: boolean } {
    const { maxFileBytes } = this.#options;
    const room = maxFileBytes - this.#size;
    if (bytes.length <= room) return { take: bytes.length, rotateAfter: false };
    const lastFitting = room > 0 ? bytes.lastIndexOf(NEWLINE, room - 1) : -1;
    if (lastFitting !== -1) return { take: lastFitting + 1, rotateAfter: true };
    if (this.#lineBytes === 0 && this.#size > 0) return { take: 0, rotateAfter: true };
    // The rest of a line whose beginning is in this file: it stays here, unless the line alone fills a file.
    const lineRoom = Math.max(0, maxFileBytes - this.#lineBytes);
    const lineEnd = bytes.indexOf(NEWLINE) + 1;
    if (lineEnd > 0 && lineEnd <= lineRoom) return { take: lineEnd, rotateAfter: true };
    if (lineEnd === 0 && bytes.length <= lineRoom) return { take: bytes.length, rotateAfter: false };
    return { take: lineRoom, rotateAfter: true };
  }

  #account(piece: Buffer): void {
    this.#size += piece.length;
    const lastNewline = piece.lastIndexOf(NEWLINE);
    this.#lineBytes = lastNewline === -1 ? this.#lineBytes + piece.length : piece.length - lastNewline - 1;
  }

  async #openIfClosed(): Promise<void> {
    if (this.#fd !== null) return;
    mkdirSync(dirname(this.#options.path), { recursive: true, mode: 0o750 });
    this.#fd = await openFile(this.#options.path, 'a', 0o640);
    this.#size = fstatSync(this.#fd).size;
    this.#lineBytes = 0;
  }

  async #writeAll(buffers: readonly Buffer[]): Promise<void> {
    let rest = buffers.filter(({ length }) => length > 0);
    while (rest.length > 0 && this.#fd !== null) {
      const { bytesWritten } = await writeBuffers(this.#fd, rest);
      this.#unwrittenBytes -= bytesWritten;
      rest = skipBytes(rest, bytesWritten);
    }
  }

  async #rotate(): Promise<void> {
    const { path, maxFiles } = this.#options;
    await this.#closeFd();
    try {
      for (let number = maxFiles - 1; number >= 1; number -= 1) {
        const from = number === 1 ? path : `${path}.${number - 1}`;
        if (existsSync(from)) renameSync(from, `${path}.${number}`);
      }
      this.#fd = await openFile(path, maxFiles === 1 ? 'w' : 'a', 0o640);
    } catch {
      // Without the right to rename, a growing file is better than lost lines; the next try comes a file's size later.
      this.#fd = await openFile(path, 'a', 0o640);
    }
    this.#size = 0;
    this.#lineBytes = 0;
  }

  async #closeFd(): Promise<void> {
    const fd = this.#fd;
    this.#fd = null;
    if (fd !== null) await closeFile(fd);
  }
}

function sizeOf(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, { length }) => sum + length, 0);
}

function skipBytes(buffers: readonly Buffer[], count: number): Buffer[] {
  let left = count;
  let index = 0;
  for (; index < buffers.length; index += 1) {
    const { length } = buffers[index]!;
    if (left < length) break;
    left -= length;
  }
  const rest = buffers.slice(index);
  if (left > 0 && rest[0] !== undefined) rest[0] = rest[0].subarray(left);
  return rest;
}
