import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

export interface RequestBodyOptions {
  readonly chunked: boolean;
  /** Keep what was sent up to this size, so that it can be sent again; 0 keeps nothing. */
  readonly keepBytes: number;
  onProgress(): void;
  onSent(): void;
}

/** Trailers that would change how the message is read. */
const notATrailer =
  /^(?:content-length|transfer-encoding|host|connection|expect|te|trailer|authorization|cookie|x-forwarded-.*)$/i;

/** Carries the body of one request to a worker, no faster than the worker reads, and again from the start if it was kept. */
export class RequestBody {
  #request: IncomingMessage;
  #options: RequestBodyOptions;
  #socket: Socket | null = null;
  #kept: Buffer[] | null;
  #keptBytes = 0;
  #hasEnded = false;

  constructor(request: IncomingMessage, options: RequestBodyOptions) {
    this.#request = request;
    this.#options = options;
    this.#kept = options.keepBytes > 0 ? [] : null;
    request.on('data', this.#onData);
    request.on('end', this.#onEnd);
    request.pause();
  }

  /** Whether `sendTo` may be called once more. */
  get isReplayable(): boolean {
    return this.#kept !== null;
  }

  /** Sends the body on this connection, from its first byte. */
  sendTo(socket: Socket): void {
    this.#socket = socket;
    for (const chunk of this.#kept ?? []) this.#write(socket, chunk);
    if (this.#hasEnded) this.#finish(socket);
    else this.#request.resume();
  }

  /** The connection was lost: nothing is read until the next one. */
  pause(): void {
    this.#socket = null;
    if (!this.#hasEnded) this.#request.pause();
  }

  /** The connection takes more. */
  resume(): void {
    if (this.#socket !== null && !this.#hasEnded) this.#request.resume();
  }

  /** Reads what is left and drops it. */
  discard(): void {
    this.#socket = null;
    this.#kept = null;
    this.#request.off('data', this.#onData);
    this.#request.off('end', this.#onEnd);
    if (!this.#hasEnded) this.#request.resume();
  }

  #onData = (chunk: Buffer): void => {
    this.#options.onProgress();
    if (this.#kept !== null) {
      this.#keptBytes += chunk.length;
      if (this.#keptBytes <= this.#options.keepBytes) this.#kept.push(chunk);
      else this.#kept = null;
    }
    if (this.#socket !== null && !this.#write(this.#socket, chunk)) this.#request.pause();
  };

  #onEnd = (): void => {
    this.#hasEnded = true;
    if (this.#socket !== null) this.#finish(this.#socket);
  };

  #write(socket: Socket, chunk: Buffer): boolean {
    if (!this.#options.chunked) return socket.write(chunk);
    socket.cork();
    socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
    socket.write(chunk);
    const mayGoOn = socket.write('\r\n', 'latin1');
    socket.uncork();
    return mayGoOn;
  }

  #finish(socket: Socket): void {
    if (this.#options.chunked) {
      const raw = this.#request.rawTrailers;
      let text = '0\r\n';
      for (let i = 0; i < raw.length; i += 2) {
        if (!notATrailer.test(raw[i]!)) text += `${raw[i]}: ${raw[i + 1]}\r\n`;
      }
      socket.write(`${text}\r\n`, 'latin1');
    }
    this.#options.onSent();
  }
}
