import type { WebSocket } from 'ws';
import type { Notification } from './notification.ts';

/** One client, whichever way it is connected. */
export interface Connection {
  readonly kind: 'websocket' | 'socket.io';
  readonly closed: AbortSignal;
  send(notification: Notification): void;
  /** Resolves when the client has all that was sent. Rejects when the connection ends before that. */
  confirm(): Promise<void>;
}

export interface ConnectionOptions {
  readonly kind: Connection['kind'];
  /** Asked again and again: a session may be ended while its socket is open. */
  readonly isWelcome: () => Promise<boolean>;
  readonly send: (notification: Notification) => void;
  /** A client that is silent for so long is dead, or does not read: it is cut off, and what it has not got is kept. */
  readonly timeoutMs: number;
  /** Resolves when what was sent is on its way, where something waits before `socket`. */
  readonly flushed?: () => Promise<void>;
}

/** So often, in timeouts, it is tried whether a connection is alive on which nothing happens, and welcome. */
const beatTimeouts = 2.5;
/** The session of the token was ended: log in again. Codes from 4000 on are for applications. */
const sessionEnded = 4401;

/**
 * A client answers a ping when it has read all that came before it, without any code of its own. So a pong says that the
 * notifications have arrived, that the client is alive, and that it reads as fast as we send.
 */
export function openConnection(
  socket: WebSocket,
  { kind, timeoutMs, isWelcome, send, flushed }: ConnectionOptions,
): Connection {
  const closing = new AbortController();
  const waiting = new Map<number, PromiseWithResolvers<void>>();
  let pings = 0;

  async function confirm(): Promise<void> {
    const number = ++pings;
    const answer = Promise.withResolvers<void>();
    waiting.set(number, answer);
    const timer = setTimeout(() => socket.terminate(), timeoutMs);
    try {
      if (closing.signal.aborted) throw new Error('The connection is closed');
      await Promise.race([flushed?.(), answer.promise]);
      socket.ping(String(number));
      await answer.promise;
    } finally {
      clearTimeout(timer);
      waiting.delete(number);
    }
  }

  socket.on('pong', (data) => {
    // A client may answer the last one of several pings alone.
    for (const [number, answer] of waiting) if (number <= Number(data)) answer.resolve();
  });
  // What is wrong with it is followed by its end.
  socket.on('error', () => undefined);
  const beat = setInterval(async () => {
    if (await isWelcome()) await confirm().catch(() => undefined);
    else socket.close(sessionEnded, 'session ended');
  }, beatTimeouts * timeoutMs);
  socket.once('close', () => {
    clearInterval(beat);
    for (const answer of waiting.values()) answer.reject(new Error('The connection has ended'));
    closing.abort();
  });
  return { kind, closed: closing.signal, send, confirm };
}
