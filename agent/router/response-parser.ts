import { parseFieldLines, parseResponseHead, type ResponseHead, ResponseHeadError } from './response-head.ts';

/** What a response is handed to, piece by piece, in order; `onEnd` comes once, and nothing after it. */
export interface ResponseSink {
  /** Any number of 1xx heads, then the final one. A 101 ends parsing: the rest of the bytes go to `onUpgraded`. */
  onHead(head: ResponseHead): void;
  onBody(chunk: Buffer): void;
  /** `trailers` is flat: name, value, name, value. */
  onEnd(trailers: string[]): void;
  /** The bytes after a 101, possibly none; parsing has stopped. */
  onUpgraded(rest: Buffer): void;
}

/** A head of 64 KiB is four times what Node itself lets a server receive; past it the upstream is broken. */
const maxHeadBytes = 64 * 1024;
/** A chunk-size line is a few hex digits; extensions are allowed and ignored up to this. */
const maxChunkLineBytes = 4 * 1024;
const maxTrailerBytes = 16 * 1024;

const headEnd = Buffer.from('\r\n\r\n');
const noBytes = Buffer.alloc(0);
const lineFeed = 10;
const carriageReturn = 13;

type Phase =
  | 'idle'
  | 'head'
  | 'length'
  | 'untilClose'
  | 'chunkSize'
  | 'chunkData'
  | 'chunkEnd'
  | 'trailers'
  | 'upgraded';

/**
 * Reads the responses of one upstream connection, one at a time, and refuses everything that two readers could
 * understand in two ways. It throws `ResponseHeadError`; after that the connection must not be used.
 */
export class ResponseParser {
  /** Whether the connection may carry another request once this response has ended. */
  reusable = false;
  /** From `Keep-Alive: timeout=`, 0 when the upstream did not say. */
  keepAliveTimeoutMs = 0;

  #sink: ResponseSink | null = null;
  #phase: Phase = 'idle';
  #method = '';
  #pending: Buffer = noBytes;
  #remaining = 0;
  #trailers = '';

  /** Whether no response is expected or under way. */
  get isIdle(): boolean {
    return this.#phase === 'idle';
  }

  /** Expects one response to a request with this method, and gives it to `sink`. */
  expect(method: string, sink: ResponseSink): void {
    this.#sink = sink;
    this.#method = method;
    this.#phase = 'head';
    this.#pending = noBytes;
    this.reusable = false;
  }

  /** Takes the next bytes of the connection, however they were split. */
  feed(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      switch (this.#phase) {
        case 'idle':
          throw new ResponseHeadError('bytes after the end of a response');
        case 'upgraded':
          this.#sink?.onUpgraded(rest);
          return;
        case 'head':
          rest = this.#readHead(rest);
          break;
        case 'untilClose':
          this.#sink?.onBody(rest);
          return;
        case 'length':
        case 'chunkData':
          rest = this.#readData(rest);
          break;
        default:
          rest = this.#readLine(rest);
      }
    }
  }

  /** The upstream sent its FIN. True when the response is complete because of it; false when it was cut short. */
  finish(): boolean {
    if (this.#phase !== 'untilClose') return false;
    this.#end();
    return true;
  }

  #readHead(chunk: Buffer): Buffer {
    const bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const end = bytes.indexOf(headEnd);
    if ((end === -1 ? bytes.length : end) > maxHeadBytes) throw new ResponseHeadError('the head is too long');
    if (end === -1) {
      this.#pending = bytes;
      return noBytes;
    }
    this.#pending = noBytes;
    const head = parseResponseHead(bytes.toString('latin1', 0, end), this.#method);
    const rest = bytes.subarray(end + headEnd.length);
    if (head.status === 101) {
      this.#phase = 'upgraded';
      this.#sink?.onHead(head);
      this.#sink?.onUpgraded(rest);
      return noBytes;
    }
    if (head.status < 200) {
      this.#sink?.onHead(head);
      return rest;
    }
    this.reusable = head.keepAlive;
    this.keepAliveTimeoutMs = head.keepAliveTimeoutMs;
    this.#sink?.onHead(head);
    if (head.framing === 'length') {
      this.#remaining = head.contentLength;
      if (head.contentLength === 0) this.#end();
      else this.#phase = 'length';
    } else if (head.framing === 'chunked') {
      this.#trailers = '';
      this.#phase = 'chunkSize';
    } else if (head.framing === 'untilClose') {
      this.reusable = false;
      this.#phase = 'untilClose';
    } else {
      this.#end();
    }
    return rest;
  }

  #readData(chunk: Buffer): Buffer {
    const taken = chunk.length <= this.#remaining ? chunk : chunk.subarray(0, this.#remaining);
    this.#remaining -= taken.length;
    this.#sink?.onBody(taken);
    if (this.#remaining === 0) {
      if (this.#phase === 'length') this.#end();
      else this.#phase = 'chunkEnd';
    }
    return chunk.subarray(taken.length);
  }

  #readLine(chunk: Buffer): Buffer {
    const end = chunk.indexOf(lineFeed);
    const part = end === -1 ? chunk : chunk.subarray(0, end + 1);
    const line = this.#pending.length === 0 ? part : Buffer.concat([this.#pending, part]);
    if (line.length > maxChunkLineBytes) throw new ResponseHeadError('a chunk line is too long');
    if (end === -1) {
      this.#pending = line;
      return noBytes;
    }
    this.#pending = noBytes;
    if (line[line.length - 2] !== carriageReturn) throw new ResponseHeadError('a line ends without CR');
    this.#takeLine(line.toString('latin1', 0, line.length - 2));
    return chunk.subarray(end + 1);
  }

  #takeLine(line: string): void {
    if (this.#phase === 'chunkEnd') {
      if (line !== '') throw new ResponseHeadError('a chunk is longer than its size');
      this.#phase = 'chunkSize';
    } else if (this.#phase === 'chunkSize') {
      // At most 13 digits, so that every size is an exact integer.
      const size = /^([0-9A-Fa-f]{1,13})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/.exec(line)?.[1];
      if (size === undefined) throw new ResponseHeadError('a chunk size is not valid');
      this.#remaining = Number.parseInt(size, 16);
      this.#phase = this.#remaining === 0 ? 'trailers' : 'chunkData';
    } else if (line === '') {
      this.#end();
    } else {
      this.#trailers += this.#trailers === '' ? line : `\r\n${line}`;
      if (this.#trailers.length > maxTrailerBytes) throw new ResponseHeadError('the trailers are too long');
    }
  }

  #end(): void {
    const trailers = this.#trailers === '' ? [] : parseFieldLines(this.#trailers);
    this.#trailers = '';
    this.#phase = 'idle';
    this.#sink?.onEnd(trailers);
  }
}
