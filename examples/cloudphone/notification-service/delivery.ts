import { EventEmitter } from 'node:events';
import type { Drover } from 'drover';
import type { Connection } from './connection.ts';
import { createHistory, type History, keptFor } from './history.ts';
import type { Notification } from './notification.ts';
import { startSession } from './session.ts';

export interface Delivery {
  readonly history: History;
  /** Resolves when this instance hears of what others send. */
  readonly ready: Promise<void>;
  /**
   * Keeps a notification and tells the instances where its user is. It is safe once this has resolved; after an error it may
   * be, and may be sent again with the same id.
   */
  send(notification: Notification): Promise<{ isNew: boolean; connections: number }>;
  /** Gives a client the notifications of its user until it closes. */
  serve(connection: Connection, userId: string, after: string | undefined): void;
  /** Gives a client what is sent to anybody from now on, at most once: to look on while developing. */
  show(connection: Connection): void;
}

/**
 * Each notification is kept first, in the history of its user and in an inbox, and then a message goes to the instances that
 * have connections of the user. Those look what there is to give: the message may be lost, the notification is not.
 */
export function createDelivery(drover: Drover, options: { readonly isShownToAll: boolean }): Delivery {
  const history = createHistory(drover);
  const waiting = drover.inbox<Notification>('unconfirmed-notifications', keptFor);
  const looks = drover.direct<'look'>('notifications');
  const all = drover.topic<Notification>('notifications');
  const here = new EventEmitter().setMaxListeners(0);
  // Messages of this process may have been lost while Redis was away: all look again.
  const listening = all.subscribe((notification) => here.emit('sent', notification), {
    onGap: () => here.emit('gap'),
  });

  return {
    history,
    ready: listening.ready,
    async send(notification) {
      const { id, userId } = notification;
      // Redis does them in this order, since they go over one connection: who is told to look finds what was put. Only a
      // Redis that has just restarted may change the order, and then the next look finds it.
      const added = history.add(notification);
      const kept = waiting.put(userId, notification, { id });
      const told = looks.send(userId, 'look');
      const [isNew, connections] = await Promise.all([added, told, kept]);
      if (isNew && options.isShownToAll) await all.publish(notification);
      return { isNew, connections };
    },
    serve(connection, userId, after) {
      const { look, ended } = startSession({ connection, userId, after, history, waiting });
      const present = looks.onMessage(userId, look, { meta: { kind: connection.kind } });
      // What was sent before that was not told to us.
      void present.ready.then(look);
      here.on('gap', look);
      connection.closed.addEventListener('abort', () => {
        here.off('gap', look);
        void present.close();
      });
      // If this fails, they look by themselves before long.
      void ended.then(() => looks.send(userId, 'look')).catch(() => undefined);
    },
    show(connection) {
      const show = (notification: Notification) => connection.send(notification);
      here.on('sent', show);
      connection.closed.addEventListener('abort', () => here.off('sent', show));
    },
  };
}
