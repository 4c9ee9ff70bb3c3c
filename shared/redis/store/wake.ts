import type { Redis } from 'ioredis';
import type { Logger } from '../../runtime/logger.ts';
import type { Keys } from '../keys.ts';
import type { WakeHint } from './store.ts';

export interface Wake {
  add(listener: (hint: WakeHint) => void): () => void;
  close(): Promise<void>;
}

/**
 * Hears of changes. Messages may be lost while the subscriber is away, so each return of the connection counts as a
 * change of anything (kind `reconnected`).
 */
export async function createWake(subscriber: Redis, keys: Keys, logger: Logger): Promise<Wake> {
  const listeners = new Set<(hint: WakeHint) => void>();
  let lastVersion = 0;
  let subscribed = false;

  const tell = (hint: WakeHint) => {
    lastVersion = Math.max(lastVersion, hint.version);
    for (const listener of listeners) listener(hint);
  };
  const onMessage = (channel: string, message: string) => {
    if (channel !== keys.wake) return;
    try {
      tell(JSON.parse(message) as WakeHint);
    } catch (error) {
      logger.error('A wake message or its listener failed', { error });
    }
  };
  // `subscribe` also covers the first connection and a client that does not subscribe again by itself.
  const subscribe = () => {
    subscriber
      .subscribe(keys.wake)
      .then(() => {
        subscribed = true;
        tell({ version: lastVersion, kind: 'reconnected' });
      })
      .catch((error: unknown) =>
        logger.warn('Cannot subscribe to changes; the next connection tries again', { error }),
      );
  };
  subscriber.on('message', onMessage);
  subscriber.on('ready', subscribe);
  if (subscriber.status === 'ready') subscribe();

  return {
    add(listener) {
      listeners.add(listener);
      // Who begins to listen may have missed what came before.
      if (subscribed) {
        queueMicrotask(() => {
          if (listeners.has(listener)) listener({ version: lastVersion, kind: 'reconnected' });
        });
      }
      return () => void listeners.delete(listener);
    },
    async close() {
      subscriber.off('message', onMessage);
      subscriber.off('ready', subscribe);
      listeners.clear();
    },
  };
}
