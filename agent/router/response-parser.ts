import { ChunkedReader } from './chunked-reader.ts';
import { FramingError } from './framing-error.ts';
import { parseResponseHead, type ResponseHead } from './response-head.ts';

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

const headEnd = Buffer.from('\r\n\r\n');
const noBytes = Buffer.alloc(0);
const noTrailers: string[] = [];

type Phase = 'idle' | 'head' | 'length' | 'untilClose' | 'chunked' | 'upgraded';

/**
 * Reads the responses of one upstream connection, one at a time, and refuses everything that two readers could
 * understand in two ways. It throws `FramingError`; after that the connection must not be used.
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
  #chunks: ChunkedReader | null = null;

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
          throw new FramingError('Bytes came after the end of a response.');
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
          rest = this.#readLength(rest);
          break;
        case 'chunked':
          rest = this.#readChunked(rest);
          break;
      }
    }
  }

  /** The upstream sent its FIN. True when the response is complete because of it; false when it was cut short. */
  finish(): boolean {
    if (this.#phase !== 'untilClose') return false;
    this.#end(noTrailers);
    return true;
  }

  #readHead(chunk: Buffer): Buffer {
    const bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const end = bytes.indexOf(headEnd);
    if ((end === -1 ? bytes.length : end) > maxHeadBytes) throw new FramingError('The head is too long.');
    if (end === -1) {
      this.#pending = bytes;
      return noBytes;
    }
    this.#pending = noBytes;
    const head = parseResponseHead(bytes.toString('latin1', 0, end + 2), this.#method);
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
      if (head.contentLength === 0) this.#end(noTrailers);
      else this.#phase = 'length';
    } else if (head.framing === 'chunked') {
      this.#chunks = new ChunkedReader();
      this.#phase = 'chunked';
    } else if (head.framing === 'untilClose') {
      this.reusable = false;
      this.#phase = 'untilClose';
    } else {
      this.#end(noTrailers);
    }
    return rest;
  }

  #readLength(chunk: Buffer): Buffer {
    const taken = chunk.length <= this.#remaining ? chunk : chunk.subarray(0, this.#remaining);
    this.#remaining -= taken.length;
    this.#sink?.onBody(taken);
    if (this.#remaining === 0) this.#end(noTrailers);
    return chunk.subarray(taken.length);
  }

  #readChunked(chunk: Buffer): Buffer {
    const chunks = this.#chunks;
    if (chunks === null) return chunk;
    const rest = chunks.feed(chunk, (data) => this.#sink?.onBody(data));
    if (chunks.isDone) {
      this.#chunks = null;
      this.#end(chunks.trailers());
    }
    return rest;
  }

  #end(trailers: string[]): void {
    this.#phase = 'idle';
    this.#sink?.onEnd(trailers);
  }
}
