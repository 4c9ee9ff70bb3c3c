import type { Socket } from 'node:net';
import { ResponseParser, type ResponseSink } from './response-parser.ts';
import type { Upstream } from './upstream.ts';
import { UpstreamSocket } from './upstream-socket.ts';

/**
 * Idle connections are closed by us before the worker closes them: Node's servers do after 5 s, and a request that
 * crosses a close on the wire cannot be sent again unless it is idempotent.
 */
const idleMs = 4_000;
/** How much earlier than an announced `Keep-Alive: timeout=` we stop using a connection. */
const idleMarginMs = 1_000;
/** A host that is gone without a word is seen some seconds after so long a silence, also in the middle of a response. */
const probeAfterMs = 15_000;

/** Whom a connection works for; `null` while it is idle. */
export interface ConnectionOwner extends ResponseSink {
  onConnected(): void;
  /** The connection has ended, or what came was not valid, before the response was complete. Comes at most once. */
  onLost(reason: string): void;
  /** What was written has left: more may be written. */
  onWritable(): void;
  /** All that came with one read has been handed over. */
  onFed(): void;
}

/** One TCP connection to a worker; carries one request at a time. */
export class UpstreamConnection {
  readonly socket: Socket;
  readonly parser = new ResponseParser();
  owner: ConnectionOwner | null;
  isConnected = false;
  /** Instant (monotonic, ms) from which it must not take a new request. */
  idleUntil = 0;

  #upstream: Upstream;
  #isLost = false;
  #isRaw = false;

  constructor(upstream: Upstream, owner: ConnectionOwner) {
    this.#upstream = upstream;
    this.owner = owner;
    const { address, port } = upstream.endpoint;
    this.socket = new UpstreamSocket({ allowHalfOpen: true })
      .setNoDelay(true)
      .setKeepAlive(true, probeAfterMs)
      .connect({ host: address, port });
    this.socket.on('connect', () => {
      this.isConnected = true;
      upstream.markUp();
      this.owner?.onConnected();
    });
    this.socket.on('data', this.#onData);
    this.socket.on('drain', this.#onDrain);
    this.socket.on('end', this.#onEnd);
    this.socket.on('error', (error: NodeJS.ErrnoException) => this.#lose(error.code ?? error.message));
    this.socket.on('close', () => this.#lose('closed'));
  }

  get isUsable(): boolean {
    return !this.#isLost && this.socket.writable;
  }

  /** Keeps it for the next request if both sides may, closes it otherwise. */
  release(nowMs: number): void {
    this.owner = null;
    if (!this.isUsable || !this.parser.reusable || !this.parser.isIdle) {
      this.destroy();
      return;
    }
    const announcedMs = this.parser.keepAliveTimeoutMs;
    const keepMs = announcedMs === 0 ? idleMs : Math.min(idleMs, announcedMs - idleMarginMs);
    this.idleUntil = nowMs + keepMs;
    if (keepMs <= 0) this.destroy();
    else this.#upstream.putIdle(this);
  }

  /** Hands the socket over to a tunnel: it reads and ends it from here on. */
  detach(): Socket {
    this.owner = null;
    this.#isLost = true;
    this.#isRaw = true;
    this.socket.off('data', this.#onData).off('drain', this.#onDrain).off('end', this.#onEnd);
    return this.socket;
  }

  destroy(): void {
    this.#isLost = true;
    this.owner = null;
    this.socket.destroy();
  }

  #onDrain = (): void => {
    this.owner?.onWritable();
  };

  #onData = (chunk: Buffer): void => {
    if (this.owner === null) {
      // Bytes that nobody asked for: whatever comes next on this connection cannot be trusted.
      this.#lose('unexpected bytes');
      return;
    }
    try {
      this.parser.feed(chunk);
    } catch (error) {
      this.#lose(error instanceof Error ? error.message : String(error));
      return;
    }
    if (!this.#isRaw) this.owner?.onFed();
  };

  #onEnd = (): void => {
    if (this.owner !== null && this.parser.finish()) return;
    this.#lose('closed');
  };

  #lose(reason: string): void {
    if (this.#isLost) return;
    this.#isLost = true;
    const owner = this.owner;
    this.owner = null;
    this.#upstream.forgetIdle(this);
    this.socket.destroy();
    owner?.onLost(reason);
  }
}
