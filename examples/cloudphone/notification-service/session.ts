import { setTimeout as sleep } from 'node:timers/promises';
import type { Inbox } from 'drover';
import type { Connection } from './connection.ts';
import type { History } from './history.ts';
import type { Notification } from './notification.ts';

export interface SessionOptions {
  readonly connection: Connection;
  readonly userId: string;
  /** The id of the last notification that the client has; without one it gets what nobody has had yet. */
  readonly after: string | undefined;
  readonly history: History;
  readonly waiting: Inbox<Notification>;
}

export interface Session {
  look(): void;
  /** The connection has closed, and what was taken for it and not confirmed is free for others. */
  readonly ended: Promise<void>;
}

/** Sent before the client has to confirm: what is buffered for one client stays below some hundred kB. */
const pageSize = 50;
/** A look also finds what a sender left that died before it could tell us. */
const lookMs = 15_000;
/** Redis is away: it is asked again so soon. */
const retryMs = 500;

/**
 * Gives one connection the notifications of its user, in order, until it closes. It reads the history from where the client
 * is, whenever it is told to look, so that a message which says "look" may be lost, come twice or come late.
 *
 * The inbox has what no client of the user has confirmed yet. It is emptied here, by what this client confirms: what
 * was in it before goes to whoever comes first, what comes later to all who are connected. Never throws.
 */
export function startSession({ connection, userId, after, history, waiting }: SessionOptions): Session {
  const { closed } = connection;
  let isDue = true;
  let rouse = () => {};
  /** The client had what came until here before it connected, or whoever was there had. */
  let began: number | undefined;
  let sentTo = 0;
  let isCaughtUp = false;
  /** Ids of what this client has confirmed in this look: the inbox may have them, too. */
  const confirmed = new Set<string>();

  async function begin(): Promise<number> {
    sentTo = after === undefined ? await history.newest(userId) : await history.positionOf(userId, after);
    return sentTo;
  }

  async function give(notifications: readonly Notification[]): Promise<void> {
    if (notifications.length === 0) return;
    for (const notification of notifications) connection.send(notification);
    await connection.confirm();
    for (const { id } of notifications) confirmed.add(id);
  }

  async function catchUp(): Promise<void> {
    for (let isMore = true; isMore; ) {
      const entries = await history.after(userId, sentTo, pageSize);
      await give(entries.map(({ notification }) => notification));
      sentTo = entries.at(-1)?.position ?? sentTo;
      isMore = entries.length === pageSize;
    }
  }

  async function deliver(): Promise<void> {
    began ??= await begin();
    // What was sent before the client came is older than what the history has for it.
    if (!isCaughtUp) await empty(began);
    await catchUp();
    isCaughtUp = true;
    await empty(began);
    confirmed.clear();
  }

  async function empty(beganAt: number): Promise<void> {
    // An error of the handler leaves the notification where it is: for the next connection, or for another one.
    await waiting.deliver(userId, async (notification) => {
      if (confirmed.has(notification.id)) return;
      if ((await history.positionOf(userId, notification.id)) <= beganAt) await give([notification]);
      else await catchUp();
    });
  }

  async function run(): Promise<void> {
    while (!closed.aborted) {
      isDue = false;
      try {
        await deliver();
      } catch {
        await sleep(retryMs, undefined, { signal: closed }).catch(() => undefined);
        continue;
      }
      const timer = setTimeout(() => rouse(), lookMs);
      await new Promise<void>((resolve) => {
        rouse = resolve;
        if (isDue || closed.aborted) resolve();
      });
      clearTimeout(timer);
    }
  }

  const look = () => {
    isDue = true;
    rouse();
  };
  closed.addEventListener('abort', look, { once: true });
  return { look, ended: run() };
}
