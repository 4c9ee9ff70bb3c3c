import { createConnection, type Socket } from 'node:net';
import { encodeJsonLine, JsonLineDecoder } from './json-lines.ts';
import {
  PROTOCOL_VERSION,
  type ReplyLine,
  type ShimLine,
  type ShimRequest,
  type StateLine,
  type Welcome,
} from './protocol.ts';
import { RequestError } from './request-error.ts';

/** A shim answers at once, whatever its workers do; one that does not is stopped, dead or stuck. */
const REQUEST_TIMEOUT_MS = 5_000;

export interface ConnectOptions {
  readonly socketPath: string;
  /** Every change of any worker, in order, beginning after the welcome. */
  onState(line: StateLine): void;
  /** The connection has ended: the shim has, or another agent has taken over, or `close` was called. */
  onClose?(): void;
  /** For the connection and its welcome. Default 5,000. */
  readonly timeoutMs?: number;
}

/** A connection to a shim. */
export interface ShimClient {
  readonly welcome: Welcome;
  /**
   * Resolves when the shim has accepted the request; what follows is an event. Rejects with a `RequestError` when the
   * shim refuses, and with an ordinary error when the connection is lost, in which case the request may have been
   * carried out.
   */
  request(request: Exclude<ShimRequest, { type: 'hello' }>): Promise<Welcome | null>;
  close(): void;
}

/**
 * Connects, says hello, and becomes the active agent of the shim. Rejects when there is no shim, or no answer in time.
 */
export async function connectShim(options: ConnectOptions): Promise<ShimClient> {
  const connection = new Connection(options);
  const welcome = await connection.request({ type: 'hello', version: PROTOCOL_VERSION }, options.timeoutMs);
  if (welcome === null) throw new Error(`The shim at ${options.socketPath} gave no welcome`);
  return { welcome, request: (request) => connection.request(request), close: () => connection.close() };
}

interface Waiting {
  resolve(result: Welcome | null): void;
  reject(error: Error): void;
}

class Connection {
  readonly #socketPath: string;
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #lastRequest = 0;
  #lost: Error | null = null;

  constructor(options: ConnectOptions) {
    this.#socketPath = options.socketPath;
    this.#socket = createConnection(options.socketPath);
    const decoder = new JsonLineDecoder({
      onValue: (value) => {
        const line = value as ShimLine;
        if (line.type === 'state') options.onState(line);
        else this.#settle(line);
      },
      onBroken: (problem) => this.#socket.destroy(new Error(`The shim is not understood: ${problem}`)),
    });
    this.#socket.on('data', (chunk: Buffer) => decoder.push(chunk));
    this.#socket.on('error', (error) => {
      this.#lost = error;
    });
    this.#socket.on('close', () => {
      this.#lost ??= new Error('The connection has ended');
      for (const { reject } of this.#waiting.values()) reject(this.#lostError());
      this.#waiting.clear();
      options.onClose?.();
    });
  }

  async request(request: ShimRequest, timeoutMs = REQUEST_TIMEOUT_MS): Promise<Welcome | null> {
    if (this.#socket.destroyed) throw this.#lostError();
    this.#lastRequest += 1;
    const number = this.#lastRequest;
    const { promise, resolve, reject } = Promise.withResolvers<Welcome | null>();
    this.#waiting.set(number, { resolve, reject });
    const timer = setTimeout(() => {
      this.#socket.destroy(new Error(`No answer to ${request.type} within ${timeoutMs} ms`));
    }, timeoutMs);
    this.#socket.write(encodeJsonLine({ ...request, request: number }));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #settle(line: ReplyLine): void {
    const waiting = this.#waiting.get(line.request);
    this.#waiting.delete(line.request);
    if (line.type === 'reply') waiting?.resolve(line.result);
    else waiting?.reject(new RequestError(line.code, line.message));
  }

  #lostError(): Error {
    return new Error(`The shim at ${this.#socketPath} is not reachable: ${this.#lost?.message}`, { cause: this.#lost });
  }
}
