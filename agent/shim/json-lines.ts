import { MAX_LINE_BYTES } from './protocol.ts';

const NEWLINE = 0x0a;

export interface JsonLineHandlers {
  onValue(value: unknown): void;
  /** A line that is no JSON, or too long. The decoder goes on with the next line. */
  onBroken(problem: string): void;
}

/** Cuts a byte stream into JSON lines, whatever the sizes of its chunks. Lines above `MAX_LINE_BYTES` are skipped. */
export class JsonLineDecoder {
  readonly #handlers: JsonLineHandlers;
  #parts: Buffer[] = [];
  #length = 0;
  #skipping = false;

  constructor(handlers: JsonLineHandlers) {
    this.#handlers = handlers;
  }

  push(chunk: Buffer): void {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      this.#keep(chunk.subarray(from, at));
      this.#endLine();
      from = at + 1;
    }
    this.#keep(chunk.subarray(from));
  }

  #keep(part: Buffer): void {
    this.#length += part.length;
    if (this.#length > MAX_LINE_BYTES) {
      this.#skipping = true;
      this.#parts = [];
    } else if (part.length > 0 && !this.#skipping) {
      this.#parts.push(part);
    }
  }

  #endLine(): void {
    const line = Buffer.concat(this.#parts);
    const tooLong = this.#skipping;
    this.#parts = [];
    this.#length = 0;
    this.#skipping = false;
    if (tooLong) {
      this.#handlers.onBroken(`a line is longer than ${MAX_LINE_BYTES} bytes`);
      return;
    }
    if (line.length === 0) return;
    let value: unknown;
    try {
      value = JSON.parse(line.toString('utf8'));
    } catch {
      this.#handlers.onBroken('a line is not JSON');
      return;
    }
    this.#handlers.onValue(value);
  }
}

export function encodeJsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
