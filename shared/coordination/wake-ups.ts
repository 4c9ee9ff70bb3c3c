import type { Redis } from 'ioredis';

import { type Logger, silentLogger } from '../runtime/logger.ts';

/** A message, or `null`: the connection was away, messages may have been missed, read the state again. */
export type WakeUpListener = (message: string | null) => void;

export interface Listening {
  /** Resolves once Redis has confirmed the subscription; stays pending while Redis is away. Never rejects. */
  readonly ready: Promise<void>;
  close(): void;
}

/** Many listeners on the one connection that a participant has for messages. */
export interface WakeUps {
  listen(channel: string, listener: WakeUpListener): Listening;
}

interface Channel {
  readonly listeners: Set<WakeUpListener>;
  ready: PromiseWithResolvers<void>;
  isReady: boolean;
}

/**
 * Shares a client of the `pubsub` profile (made with `autoResubscribe: false` or not, it does not matter) among listeners.
 * A message only says "look again": after each reconnection every listener is called with `null`, once the channel is
 * subscribed anew, so that nothing published in between is waited for in vain.
 */
export function createWakeUps(subscriber: Redis, signal: AbortSignal, logger: Logger = silentLogger): WakeUps {
  const channels = new Map<string, Channel>();

  const onMessage = (name: string, message: string) => tell(name, message);
  const onReady = () => void subscribe([...channels.keys()]);
  const onClose = () => {
    for (const channel of channels.values()) {
      if (!channel.isReady) continue;
      channel.isReady = false;
      channel.ready = Promise.withResolvers();
    }
  };
  subscriber.on('message', onMessage);
  subscriber.on('ready', onReady);
  subscriber.on('close', onClose);
  signal.addEventListener(
    'abort',
    () => {
      subscriber.off('message', onMessage);
      subscriber.off('ready', onReady);
      subscriber.off('close', onClose);
      channels.clear();
    },
    { once: true },
  );

  function tell(name: string, message: string | null): void {
    for (const listener of channels.get(name)?.listeners ?? []) {
      try {
        listener(message);
      } catch (error) {
        logger.error('A listener failed', { channel: name, error });
      }
    }
  }

  /** Without a connection it does nothing: `ready` will. */
  async function subscribe(names: readonly string[]): Promise<void> {
    if (names.length === 0 || subscriber.status !== 'ready') return;
    try {
      await subscriber.subscribe(...names);
    } catch (error) {
      logger.debug('Not subscribed; the next connection tries again', { channels: names, error });
      return;
    }
    for (const name of names) {
      const channel = channels.get(name);
      if (channel === undefined) continue;
      channel.isReady = true;
      channel.ready.resolve();
      tell(name, null);
    }
  }

  return {
    listen(name, listener) {
      let channel = channels.get(name);
      if (channel === undefined) {
        channel = { listeners: new Set(), ready: Promise.withResolvers(), isReady: false };
        channels.set(name, channel);
        void subscribe([name]);
      }
      const joined = channel;
      joined.listeners.add(listener);
      return {
        ready: joined.ready.promise,
        close() {
          if (!joined.listeners.delete(listener) || joined.listeners.size > 0) return;
          if (channels.get(name) !== joined) return;
          channels.delete(name);
          if (subscriber.status === 'ready') subscriber.unsubscribe(name).catch(() => {});
        },
      };
    },
  };
}
