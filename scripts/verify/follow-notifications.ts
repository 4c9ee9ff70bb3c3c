import { setTimeout as sleep } from 'node:timers/promises';
import { io } from 'socket.io-client';
import { z } from 'zod';
import type { Account } from './open-account.ts';

const notificationSchema = z.looseObject({ id: z.string().optional(), message: z.string() });
export type Notification = z.infer<typeof notificationSchema>;

/**
 * A client that is connected until it is closed, and comes back by itself when its connection ends. It says then what it
 * has, and takes no notice of what comes again.
 */
export interface Follower {
  /** All that came; what came twice over one connection is in it twice. */
  readonly heard: readonly Notification[];
  /** How often it was connected. */
  readonly connects: number;
  /** Connections that ended without a word: the process at the other end was gone before it could close them. */
  readonly brokenOff: number;
  close(): void;
}

const longestPauseMs = 500;
/** It is tried again and again until then. */
const openTimeoutMs = 30_000;
/** What a client is told by its own side when no close frame has come (RFC 6455, 7.1.5). */
const closedAbnormally = 1006;

/** Follows the notifications of a user over a plain WebSocket of `base`; resolves once it is connected. */
export async function followByWebSocket(base: string, account: Account): Promise<Follower> {
  const url = `${base.replace(/^http/, 'ws')}/notifications`;
  const closing = new AbortController();
  const heard: Notification[] = [];
  const follower = { heard, connects: 0, brokenOff: 0, close: () => closing.abort() };
  const first = Promise.withResolvers<void>();
  const once = () =>
    new Promise<void>((resolve) => {
      const socket = new WebSocket(`${url}?${new URLSearchParams(introduction(account, heard))}`);
      const take = taker(heard);
      let isOpen = false;
      const leave = () => socket.close();
      closing.signal.addEventListener('abort', leave, { once: true });
      socket.onopen = () => {
        isOpen = true;
        follower.connects += 1;
        first.resolve();
      };
      socket.onmessage = ({ data }) => take(JSON.parse(String(data)));
      socket.onclose = ({ code }) => {
        if (isOpen && code === closedAbnormally) follower.brokenOff += 1;
        closing.signal.removeEventListener('abort', leave);
        resolve();
      };
    });
  void (async () => {
    while (!closing.signal.aborted) {
      await once();
      // Not all who lose their connection at once come back at once.
      await sleep(Math.random() * longestPauseMs, undefined, { signal: closing.signal }).catch(() => undefined);
    }
  })();
  return await within(first.promise, follower, `a WebSocket to ${base}`);
}

/** The same over Socket.IO. */
export async function followBySocketIo(base: string, account: Account): Promise<Follower> {
  const heard: Notification[] = [];
  const socket = io(`${base}/notifications`, {
    transports: ['websocket'],
    forceNew: true,
    auth: (answer) => answer(introduction(account, heard)),
    reconnectionDelay: 50,
    reconnectionDelayMax: longestPauseMs,
  });
  const follower = { heard, connects: 0, brokenOff: 0, close: () => void socket.close() };
  let take = taker(heard);
  socket.on('notification', (notification: unknown) => take(notification));
  // A server that ends a connection itself is not asked again by the client of Socket.IO, unless it is told to.
  socket.on('disconnect', (reason, details) => {
    if (isBrokenOff(details)) follower.brokenOff += 1;
    take = taker(heard);
    if (reason === 'io server disconnect') socket.connect();
  });
  const connected = new Promise<void>((resolve) => {
    socket.on('connect', () => {
      follower.connects += 1;
      resolve();
    });
  });
  return await within(connected, follower, `Socket.IO at ${base}`);
}

/** By the close event of the WebSocket below, which Socket.IO hands on. */
function isBrokenOff(details: unknown): boolean {
  const { context } = (details ?? {}) as { context?: { code?: number } };
  return context?.code === closedAbnormally;
}

/** Who a client is, and from where on it wants notifications. */
function introduction({ userId, token }: Account, heard: readonly Notification[]): Record<string, string> {
  const after = heard.at(-1)?.id;
  return { ...(token === undefined ? { userId } : { token }), ...(after === undefined ? {} : { after }) };
}

/** Takes what comes over one connection, but for what came over an earlier one. Other messages, such as a farewell, are passed over. */
function taker(heard: Notification[]): (message: unknown) => void {
  const earlier = new Set(heard.map(({ id }) => id));
  return (message) => {
    const { success, data } = notificationSchema.safeParse(message);
    if (success && (data.id === undefined || !earlier.has(data.id))) heard.push(data);
  };
}

/** The follower once it is connected; one that does not get so far is closed. */
async function within(connected: Promise<void>, follower: Follower, what: string): Promise<Follower> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what} was not opened within ${openTimeoutMs} ms`)), openTimeoutMs);
  try {
    await Promise.race([connected, promise]);
    return follower;
  } catch (error) {
    follower.close();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
