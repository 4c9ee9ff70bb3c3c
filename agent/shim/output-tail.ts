/** Enough for 20 ordinary lines with a stack trace; kept per worker, so it is small. */
const KEPT_BYTES = 16 * 1024;

/** Pieces are counted too, so that a program that writes byte by byte does not cost a list of thousands. */
const KEPT_PIECES = 512;

const MAX_LINES = 20;
const MAX_LINE_LENGTH = 2_000;

export type OutputStream = 'out' | 'err';

interface Piece {
  readonly stream: OutputStream;
  readonly bytes: Buffer;
}

/** Remembers the end of what a worker has printed, for its exit record. */
export class OutputTail {
  #pieces: Piece[] = [];
  #bytes = 0;

  push(stream: OutputStream, chunk: Buffer): void {
    // A copy: the chunk is a view of a much larger block, which it would keep in memory.
    const bytes = Buffer.from(chunk.subarray(-KEPT_BYTES));
    this.#pieces.push({ stream, bytes });
    this.#bytes += bytes.length;
    while (this.#pieces.length > KEPT_PIECES || this.#bytes - (this.#pieces[0]?.bytes.length ?? 0) >= KEPT_BYTES) {
      this.#bytes -= this.#pieces.shift()!.bytes.length;
    }
  }

  /** The last lines of both streams in the order in which they were completed, oldest first. */
  lines(): string[] {
    const lines: string[] = [];
    const unfinished: Record<OutputStream, Buffer[]> = { out: [], err: [] };
    const complete = (parts: Buffer[]) => {
      const line = Buffer.concat(parts).toString('utf8');
      if (line.length > 0) lines.push(line.length > MAX_LINE_LENGTH ? `${line.slice(0, MAX_LINE_LENGTH)}…` : line);
      parts.length = 0;
    };
    for (const { stream, bytes } of this.#pieces) {
      const parts = unfinished[stream];
      let from = 0;
      for (let at = bytes.indexOf(0x0a); at !== -1; at = bytes.indexOf(0x0a, from)) {
        parts.push(bytes.subarray(from, at));
        complete(parts);
        from = at + 1;
      }
      if (from < bytes.length) parts.push(bytes.subarray(from));
    }
    complete(unfinished.out);
    complete(unfinished.err);
    return lines.slice(-MAX_LINES);
  }

  clear(): void {
    this.#pieces = [];
    this.#bytes = 0;
  }
}
