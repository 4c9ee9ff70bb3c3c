import { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** What an exchange wants to know about the response to its client. */
export interface ResponseFollower {
  /** The connection to the client has ended, before or after the response was complete. */
  abandon(): void;
  /** The client has taken what was written. */
  resumeReading(): void;
}

/** A response that knows its exchange, so that listeners need no closure per request. */
export class RoutedResponse extends ServerResponse {
  exchange: ResponseFollower | null = null;
  #onTurn: (() => void) | null = null;

  /**
   * Calls `start` now, or, behind a pipelined request that is not answered yet, after that one: only safe methods may be
   * worked on at the same time, and a client that needs speed has more connections. Nothing more is read until then.
   */
  startInTurn(start: () => void, connection: Socket): void {
    if (this.socket !== null) {
      start();
      return;
    }
    connection.pause();
    this.#onTurn = () => {
      connection.resume();
      start();
    };
  }

  override assignSocket(socket: Socket): void {
    super.assignSocket(socket);
    // Not from inside of Node's own work on the response before.
    if (this.#onTurn !== null) process.nextTick(this.#onTurn);
    this.#onTurn = null;
  }

  follow(exchange: ResponseFollower): void {
    this.exchange = exchange;
    this.on('close', onClose);
  }

  /** The connection becomes a tunnel: what happens to it no longer concerns the exchange. */
  unfollow(): void {
    this.exchange = null;
    this.off('close', onClose);
  }

  /** Calls `resumeReading` once the client has taken what was written. */
  awaitDrain(): void {
    this.once('drain', onDrain);
  }
}

function onClose(this: RoutedResponse): void {
  this.exchange?.abandon();
}

function onDrain(this: RoutedResponse): void {
  this.exchange?.resumeReading();
}
