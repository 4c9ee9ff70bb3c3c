import { ChunkedReader } from './chunked-reader.ts';
import { FramingError } from './framing-error.ts';
import { type ForwardingOptions, parseRequestHead, type RefusedRequest, type RequestHead } from './request-head.ts';

/** What the requests of a connection are handed to, piece by piece, in order. */
export interface RequestSink {
  /** A request begins. Its body, if it has one, is held until `go`. */
  onRequest(head: RequestHead): void;
  onBody(chunk: Buffer): void;
  /** The body is complete. `trailers` is flat: name, value, name, value. Not called for requests without a body. */
  onBodyEnd(trailers: string[]): void;
  /** What came is no valid request, or no valid body of the one that has begun. Nothing more is read. */
  onRefused(refused: RefusedRequest): void;
}

export interface RequestReaderOptions extends ForwardingOptions {
  /** Request line and fields together; past it a request is refused with 431. */
  readonly maxHeaderBytes: number;
}

const headEnd = Buffer.from('\r\n\r\n');
const noBytes = Buffer.alloc(0);
const carriageReturn = 13;
const lineFeed = 10;
/** What no head has in it, wherever it ends: so that a stranger's protocol is refused before its first empty line. */
const neverInHead = /[^\t\x20-\x7e\x80-\xff\r\n]|\r(?!\n)|(?<!\r)\n/;

/**
 * Reads the requests of one client connection, one at a time, however their bytes were split:
 *
 *   head ──→ length | chunked ──→ complete ──→ head (by `next`)
 *     └──────────── refused ←──────┘
 *
 * Bytes of requests behind the current one are kept until `next`. The sink may call every method from its callbacks.
 */
export class RequestReader {
  #options: RequestReaderOptions;
  #sink: RequestSink;
  #phase: 'head' | 'length' | 'chunked' | 'complete' | 'refused' = 'head';
  #pending: Buffer = noBytes;
  #isHeld = false;
  #isWorking = false;
  #remaining = 0;
  #chunks: ChunkedReader | null = null;

  constructor(options: RequestReaderOptions, sink: RequestSink) {
    this.#options = options;
    this.#sink = sink;
  }

  /** Whether the current request has come in full. */
  get isComplete(): boolean {
    return this.#phase === 'complete';
  }

  /** Whether a part of a head has come, and not the whole of it. */
  get isInHead(): boolean {
    return this.#phase === 'head' && this.#pending.length > 0;
  }

  /** What was fed and not yet handed over. */
  get pendingBytes(): number {
    return this.#pending.length;
  }

  feed(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#work();
  }

  /** Keeps what comes of the body back until `go`; at most what was fed at once still comes. */
  hold(): void {
    this.#isHeld = true;
  }

  go(): void {
    this.#isHeld = false;
    this.#work();
  }

  /** The current request has been answered: begins the next one, which may be there already. */
  next(): void {
    if (this.#phase !== 'complete') return;
    this.#phase = 'head';
    this.#work();
  }

  /** Gives up what was fed and not read: it belongs to another protocol. */
  takePending(): Buffer {
    const pending = this.#pending;
    this.#pending = noBytes;
    return pending;
  }

  #work(): void {
    // The loop below goes on with what a callback of the sink has changed.
    if (this.#isWorking) return;
    this.#isWorking = true;
    try {
      while (this.#pending.length > 0 && this.#step());
    } catch (error) {
      if (!(error instanceof FramingError)) throw error;
      this.#refuse({ status: error.isTooLong ? 413 : 400, detail: error.message });
    } finally {
      this.#isWorking = false;
    }
  }

  /** Does one piece of work; false when there is none until more comes, or the sink says so. */
  #step(): boolean {
    switch (this.#phase) {
      case 'head':
        return this.#readHead();
      case 'length':
        if (!this.#isHeld) this.#readLength();
        return !this.#isHeld;
      case 'chunked':
        if (!this.#isHeld) this.#readChunked();
        return !this.#isHeld;
      default:
        return false;
    }
  }

  #readHead(): boolean {
    this.#skipEmptyLines();
    const bytes = this.#pending;
    const end = bytes.indexOf(headEnd);
    if ((end === -1 ? bytes.length : end + headEnd.length) > this.#options.maxHeaderBytes) {
      this.#refuse({ status: 431, detail: 'The request head is too long.' });
      return false;
    }
    if (end === -1) {
      // A CR at the end may be the first half of a CR LF.
      const whole = bytes[bytes.length - 1] === carriageReturn ? bytes.length - 1 : bytes.length;
      if (neverInHead.test(bytes.toString('latin1', 0, whole))) {
        this.#refuse({ status: 400, detail: 'The request head has a forbidden character.' });
      }
      return false;
    }
    const head = parseRequestHead(bytes.toString('latin1', 0, end + 2), this.#options);
    if ('status' in head) {
      this.#refuse(head);
      return false;
    }
    this.#pending = end + headEnd.length === bytes.length ? noBytes : bytes.subarray(end + headEnd.length);
    this.#begin(head);
    return true;
  }

  /** RFC 9112, 2.2: empty lines before a request are for clients that end their bodies with one too many. */
  #skipEmptyLines(): void {
    const bytes = this.#pending;
    let at = 0;
    while (bytes[at] === carriageReturn && bytes[at + 1] === lineFeed) at += 2;
    if (at > 0) this.#pending = bytes.subarray(at);
  }

  #begin(head: RequestHead): void {
    this.#isHeld = head.body !== 'none';
    if (head.body === 'length') {
      this.#phase = 'length';
      this.#remaining = head.bodyBytes;
    } else if (head.body === 'chunked') {
      this.#phase = 'chunked';
      this.#chunks = new ChunkedReader();
    } else {
      this.#phase = 'complete';
    }
    this.#sink.onRequest(head);
  }

  #readLength(): void {
    const bytes = this.#pending;
    const taken = bytes.length <= this.#remaining ? bytes : bytes.subarray(0, this.#remaining);
    this.#pending = bytes.subarray(taken.length);
    this.#remaining -= taken.length;
    this.#sink.onBody(taken);
    if (this.#remaining > 0) return;
    this.#phase = 'complete';
    this.#sink.onBodyEnd([]);
  }

  #readChunked(): void {
    const chunks = this.#chunks;
    if (chunks === null) return;
    const bytes = this.#pending;
    this.#pending = noBytes;
    this.#pending = chunks.feed(bytes, (data) => this.#sink.onBody(data));
    if (!chunks.isDone) return;
    const trailers = chunks.trailers();
    this.#chunks = null;
    this.#phase = 'complete';
    this.#sink.onBodyEnd(trailers);
  }

  #refuse(refused: RefusedRequest): void {
    this.#phase = 'refused';
    this.#pending = noBytes;
    this.#sink.onRefused(refused);
  }
}
