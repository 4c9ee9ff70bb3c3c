import type { Socket } from 'node:net';

export interface RequestBodyOptions {
  readonly chunked: boolean;
  /** Keep what was sent up to this size, so that it can be sent again; 0 keeps nothing. */
  readonly keepBytes: number;
  /** Lets the body come. */
  go(): void;
  /** Holds it back. */
  hold(): void;
  onSent(): void;
}

/** Trailers that would change how the message is read. */
const notATrailer =
  /^(?:content-length|transfer-encoding|host|connection|expect|te|trailer|authorization|cookie|x-forwarded-.*)$/i;

/** Carries the body of one request to a worker, no faster than the worker reads, and again from the start if it was kept. */
export class RequestBody {
  #options: RequestBodyOptions;
  #socket: Socket | null = null;
  #kept: Buffer[] | null;
  #keptBytes = 0;
  #trailers: string[] | null = null;

  constructor(options: RequestBodyOptions) {
    this.#options = options;
    this.#kept = options.keepBytes > 0 ? [] : null;
  }

  /** Whether `sendTo` may be called once more. */
  get isReplayable(): boolean {
    return this.#kept !== null;
  }

  /** Sends the body on this connection, from its first byte. */
  sendTo(socket: Socket): void {
    this.#socket = socket;
    for (const chunk of this.#kept ?? []) this.#write(socket, chunk);
    if (this.#trailers !== null) this.#finish(socket, this.#trailers);
    else this.#options.go();
  }

  /** The connection was lost: nothing is read until the next one. */
  pause(): void {
    this.#socket = null;
    if (this.#trailers === null) this.#options.hold();
  }

  /** The connection takes more. */
  resume(): void {
    if (this.#socket !== null && this.#trailers === null) this.#options.go();
  }

  push(chunk: Buffer): void {
    if (this.#kept !== null) {
      this.#keptBytes += chunk.length;
      if (this.#keptBytes <= this.#options.keepBytes) this.#kept.push(chunk);
      else this.#kept = null;
    }
    if (this.#socket !== null && !this.#write(this.#socket, chunk)) this.#options.hold();
  }

  end(trailers: string[]): void {
    this.#trailers = trailers;
    if (this.#socket !== null) this.#finish(this.#socket, trailers);
  }

  /** Sends and keeps no more of it. */
  discard(): void {
    this.#socket = null;
    this.#kept = null;
  }

  #write(socket: Socket, chunk: Buffer): boolean {
    if (!this.#options.chunked) return socket.write(chunk);
    socket.cork();
    socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
    socket.write(chunk);
    const mayGoOn = socket.write('\r\n', 'latin1');
    socket.uncork();
    return mayGoOn;
  }

  #finish(socket: Socket, trailers: readonly string[]): void {
    if (this.#options.chunked) {
      let text = '0\r\n';
      for (let i = 0; i < trailers.length; i += 2) {
        if (!notATrailer.test(trailers[i]!)) text += `${trailers[i]}: ${trailers[i + 1]}\r\n`;
      }
      socket.write(`${text}\r\n`, 'latin1');
    }
    this.#options.onSent();
  }
}
