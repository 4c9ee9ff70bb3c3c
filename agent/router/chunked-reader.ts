import { readFieldLines } from './field-lines.ts';
import { FramingError } from './framing-error.ts';

/** A chunk-size line is a few hex digits; an extension is allowed and ignored up to this. */
const maxLineBytes = 4 * 1024;
/** All extensions of one body together: they carry nothing, and cost a reader time. As much as Node allows. */
const maxExtensionBytes = 16 * 1024;
const maxTrailerBytes = 16 * 1024;

const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const quoted = '"(?:[\\t\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]|\\\\[\\t\\x20-\\x7e])*"';
/**
 * A size of at most 13 digits, so that it is an exact integer, and extensions by the letter of RFC 9112, 7.1.1, without the
 * blanks that it calls bad.
 */
const sizeLine = new RegExp(`^([0-9A-Fa-f]{1,13})(?:;${token}(?:=(?:${token}|${quoted}))?)*$`);

const noBytes = Buffer.alloc(0);
const lineFeed = 10;
const carriageReturn = 13;

/** Reads one chunked body, however its bytes were split. Throws `FramingError`; after that it must not be used. */
export class ChunkedReader {
  #phase: 'size' | 'data' | 'dataEnd' | 'trailers' | 'done' = 'size';
  #line: Buffer = noBytes;
  #remaining = 0;
  #extensionBytes = 0;
  #trailerLines = '';

  get isDone(): boolean {
    return this.#phase === 'done';
  }

  /** Flat: name, value, name, value. Throws `FramingError` when what came is no list of fields. */
  trailers(): string[] {
    return this.#trailerLines === '' ? [] : readFieldLines(this.#trailerLines);
  }

  /** Hands the data in these bytes to `onData`, and returns what comes after the end of the body. */
  feed(bytes: Buffer, onData: (data: Buffer) => void): Buffer {
    let rest = bytes;
    while (rest.length > 0 && this.#phase !== 'done') {
      if (this.#phase !== 'data') {
        rest = this.#readLine(rest);
        continue;
      }
      const data = rest.length <= this.#remaining ? rest : rest.subarray(0, this.#remaining);
      this.#remaining -= data.length;
      if (this.#remaining === 0) this.#phase = 'dataEnd';
      rest = rest.subarray(data.length);
      onData(data);
    }
    return rest;
  }

  #readLine(bytes: Buffer): Buffer {
    const end = bytes.indexOf(lineFeed);
    const part = end === -1 ? bytes : bytes.subarray(0, end + 1);
    const line = this.#line.length === 0 ? part : Buffer.concat([this.#line, part]);
    if (line.length > maxLineBytes) throw new FramingError('A chunk line is too long.', true);
    if (end === -1) {
      this.#line = line;
      return noBytes;
    }
    this.#line = noBytes;
    if (line[line.length - 2] !== carriageReturn) throw new FramingError('A line of a chunked body ends without CR.');
    this.#takeLine(line.toString('latin1', 0, line.length - 2));
    return bytes.subarray(end + 1);
  }

  #takeLine(line: string): void {
    if (this.#phase === 'dataEnd') {
      if (line !== '') throw new FramingError('A chunk is longer than its size.');
      this.#phase = 'size';
    } else if (this.#phase === 'size') {
      const size = sizeLine.exec(line)?.[1];
      if (size === undefined) throw new FramingError('A chunk size is not valid.');
      this.#extensionBytes += line.length - size.length;
      if (this.#extensionBytes > maxExtensionBytes) throw new FramingError('The chunk extensions are too long.', true);
      this.#remaining = Number.parseInt(size, 16);
      this.#phase = this.#remaining === 0 ? 'trailers' : 'data';
    } else if (line === '') {
      this.#phase = 'done';
    } else {
      this.#trailerLines += `${line}\r\n`;
      if (this.#trailerLines.length > maxTrailerBytes) throw new FramingError('The trailers are too long.', true);
    }
  }
}
