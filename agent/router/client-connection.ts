import type { Socket } from 'node:net';
import { ClientResponse } from './client-response.ts';
import type { RouterConfig } from './config.ts';
import { Exchange } from './exchange.ts';
import type { ExchangeContext } from './exchange-context.ts';
import { routerProblems, sendProblem } from './problem-response.ts';
import type { RefusedRequest, RequestHead } from './request-head.ts';
import { RequestReader, type RequestSink } from './request-reader.ts';
import type { Service } from './service.ts';

/** Requests behind the one being answered are read ahead up to this; past it the client has to wait. */
const maxReadAheadBytes = 64 * 1024;
/**
 * After our last response we go on reading and dropping for this long before the connection is cut: closing over unread
 * bytes resets it, and takes the response away from a client that is still sending.
 */
const lingerMs = 5_000;
/** A client that sends nothing of a body that nobody waits for any more is given up after this. */
const leftoverStallMs = 10_000;

export interface ClientConnectionOptions {
  readonly context: ExchangeContext;
  readonly limits: RouterConfig['limits'];
  readonly trustForwarded: boolean;
  /** The service for a host and path of this listener; null when no route takes it. */
  match(host: string, path: string): Service | null;
  /** Whether connections are to end with their next response. */
  isLeaving(): boolean;
  /** It is no connection of ours any more: closed, or become a tunnel. */
  onGone(connection: ClientConnection): void;
}

type Deadline = 'none' | 'head' | 'idle' | 'leftover' | 'linger';

/** One connection to a client: reads its requests, and has them answered one after the other, in order. */
export class ClientConnection implements RequestSink {
  readonly response: ClientResponse;

  #socket: Socket;
  #options: ClientConnectionOptions;
  #reader: RequestReader;
  #exchange: Exchange | null = null;
  /** From the head of a request to the end of its response. */
  #isAnswering = false;
  #isLingering = false;
  #isHalted = false;
  #deadline: Deadline = 'none';
  #deadlineAt = Number.POSITIVE_INFINITY;

  constructor(socket: Socket, options: ClientConnectionOptions) {
    const { limits, trustForwarded } = options;
    this.#socket = socket;
    this.#options = options;
    const remoteAddress = socket.remoteAddress ?? '';
    this.#reader = new RequestReader({ remoteAddress, trustForwarded, maxHeaderBytes: limits.maxHeaderBytes }, this);
    this.response = new ClientResponse(socket, {
      keepAliveTimeoutMs: limits.keepAliveTimeoutMs,
      onEnded: () => this.#onAnswered(),
    });
    socket.on('data', this.#onData);
    socket.on('drain', this.#onDrain);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
    this.#wait('head', limits.headTimeoutMs);
  }

  /** Whether a request is not answered yet, or its answer has not left. */
  get isBusy(): boolean {
    return this.#isAnswering || this.#socket.writableLength > 0;
  }

  /** Whether it ends with its next response: the router is about to leave, or the listener. */
  get isLeaving(): boolean {
    return this.#options.isLeaving();
  }

  /** Looks after what has taken too long. */
  sweep(nowMs: number): void {
    const exchange = this.#exchange;
    if (exchange !== null && exchange.deadlineAt <= nowMs) exchange.onDeadline();
    if (this.#deadlineAt > nowMs) return;
    if (this.#deadline === 'head' && this.#reader.isInHead) {
      this.#options.context.failures.badRequest++;
      this.response.begin(null);
      this.#isAnswering = true;
      sendProblem(this.response, routerProblems.requestHeadTimeout);
    } else {
      this.destroy();
    }
  }

  /** Closes it if no request is under way. */
  closeIfIdle(): void {
    if (!this.#isAnswering && !this.#reader.isInHead) this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Hands the socket over to a tunnel, with what the client has sent behind its upgrade request. */
  detach(): { socket: Socket; early: Buffer } {
    const socket = this.#socket;
    socket.off('data', this.#onData).off('drain', this.#onDrain).off('end', this.#onEnd);
    socket.off('error', this.#onError).off('close', this.#onClose);
    this.#wait('none', 0);
    this.#exchange = null;
    this.#options.onGone(this);
    return { socket, early: this.#reader.takePending() };
  }

  takeBody(): void {
    this.#unhalt();
    this.#reader.go();
  }

  holdBody(): void {
    this.#reader.hold();
    this.#halt();
  }

  onRequest(head: RequestHead): void {
    const { context, match } = this.#options;
    this.#isAnswering = true;
    this.#wait('none', 0);
    this.response.begin(head);
    const service = match(head.host, head.path);
    if (service === null) {
      context.failures.noRoute++;
      if (head.expectContinue || this.isLeaving) this.response.keepAlive = false;
      sendProblem(this.response, routerProblems.noRoute);
      return;
    }
    const exchange = new Exchange(context, { client: this, service, head });
    this.#exchange = exchange;
    exchange.start();
  }

  onBody(chunk: Buffer): void {
    if (this.#exchange !== null) this.#exchange.onRequestBody(chunk);
    else this.#wait('leftover', leftoverStallMs);
  }

  onBodyEnd(trailers: string[]): void {
    if (this.#exchange !== null) this.#exchange.onRequestBodyEnd(trailers);
    else if (!this.#isAnswering) this.#nextRequest();
  }

  onRefused(refused: RefusedRequest): void {
    this.#options.context.failures.badRequest++;
    const isInBody = this.#isAnswering;
    this.#exchange?.abandon();
    this.#exchange = null;
    // After a part of a response, or after all of it, anything written would be read as something else.
    if (this.response.headersSent && (isInBody || this.#deadline === 'leftover')) {
      this.destroy();
      return;
    }
    if (!isInBody) this.response.begin(null);
    this.#isAnswering = true;
    this.response.keepAlive = false;
    this.#wait('none', 0);
    sendProblem(this.response, { ...refused, code: 'REQUEST_INVALID' });
  }

  #onAnswered(): void {
    this.#isAnswering = false;
    this.#exchange = null;
    if (!this.response.keepAlive || this.isLeaving) {
      this.#linger();
    } else if (!this.#reader.isComplete) {
      // The rest of a body that nobody wants is read and dropped, so that the next request can be read.
      this.#wait('leftover', leftoverStallMs);
      this.takeBody();
    } else if (this.#reader.pendingBytes > 0) {
      // Not from inside of the worker's response before.
      process.nextTick(this.#nextRequest);
    } else {
      this.#nextRequest();
    }
  }

  #nextRequest = (): void => {
    if (this.#isAnswering || this.#isLingering || this.#socket.destroyed) return;
    this.#wait('idle', this.#options.limits.keepAliveTimeoutMs);
    // A client that takes no answers gets no further requests worked on.
    if (this.#socket.writableNeedDrain) return;
    this.#unhalt();
    this.#reader.next();
    this.#watchHead();
  };

  #linger(): void {
    this.#isLingering = true;
    this.#reader.takePending();
    this.#socket.end();
    this.#unhalt();
    this.#wait('linger', lingerMs);
  }

  #onData = (chunk: Buffer): void => {
    if (this.#isLingering) return;
    this.#reader.feed(chunk);
    if (this.#reader.pendingBytes > maxReadAheadBytes) this.#halt();
    else this.#watchHead();
  };

  /** The time for a head runs from its first byte, and more bytes do not prolong it. */
  #watchHead(): void {
    if (this.#deadline === 'idle' && this.#reader.isInHead) this.#wait('head', this.#options.limits.headTimeoutMs);
  }

  #onDrain = (): void => {
    if (this.#exchange !== null) this.#exchange.onClientDrain();
    else if (this.#deadline === 'idle' && this.#reader.isComplete) this.#nextRequest();
  };

  /** A client that ends its direction does not wait for an answer; what is written already still leaves. */
  #onEnd = (): void => {
    if (this.#isAnswering || this.#isLingering) this.destroy();
    else this.#socket.end();
  };

  #onError = (): void => this.destroy();

  #onClose = (): void => {
    this.#exchange?.abandon();
    this.#exchange = null;
    this.#options.onGone(this);
  };

  #halt(): void {
    if (this.#isHalted) return;
    this.#isHalted = true;
    this.#socket.pause();
  }

  #unhalt(): void {
    if (!this.#isHalted) return;
    this.#isHalted = false;
    this.#socket.resume();
  }

  #wait(deadline: Deadline, durationMs: number): void {
    this.#deadline = deadline;
    this.#deadlineAt = deadline === 'none' ? Number.POSITIVE_INFINITY : this.#options.context.nowMs() + durationMs;
  }
}
