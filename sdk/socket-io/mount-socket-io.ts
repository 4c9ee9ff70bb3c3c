import { createAdapter, createShardedAdapter } from '@socket.io/redis-adapter';
import type { Redis } from 'ioredis';
import type { Server } from 'socket.io';

import { DroverError } from '../../shared/contracts/drover-error.ts';
import { answerWithin } from '../../shared/coordination/lease/hold.ts';
import type { OpenCoordination } from '../../shared/coordination/open-coordination.ts';

export interface MountSocketIoOptions {
  /**
   * Sharded pub/sub, of Redis 7 and later. Default true: the other way subscribes to patterns, which the user that the
   * controllers make for services may not.
   */
  readonly sharded?: boolean;
  /** Servers with the same key reach each other's clients; default `default`. */
  readonly key?: string;
  /**
   * The connection was away: what others emitted meanwhile has not reached the clients of this server. At most `sinceMs`
   * ago. What to do is the caller's: have clients read their state again, for one.
   */
  readonly onGap?: (sinceMs: number) => void;
}

export interface MountedSocketIo {
  /**
   * Resolves once what this server emits can reach the others and the other way. Rejects with the signal's reason when it
   * aborts first, with STORE_UNREACHABLE when it is closed first.
   */
  ready(signal?: AbortSignal): Promise<void>;
  /** Ends the adapter's connections; close `io` before, or it reaches its own clients only. Never throws. */
  close(): Promise<void>;
}

/** Also how soon a subscription that is missing is looked for again. */
const readyPollMs = 50;
/** A link that is cut without a word looks like silence; with the answer time it bounds how long that is believed. */
const pingIntervalMs = 3000;
const pingTimeoutMs = 2000;

/**
 * Connects a Socket.IO server with those of the other instances through `@socket.io/redis-adapter`, on two connections of
 * its own. At most once: an event that is emitted while Redis is away, or that a server does not hear because it is cut
 * off, is lost for the clients of the others; those of the same server get it. Nothing throws for that: a gap is told.
 * What must arrive belongs into a stream or an inbox.
 * @throws DroverError ARGUMENT_INVALID when the key is no key
 */
export function mountSocketIo(
  io: Server,
  coordination: OpenCoordination,
  options: MountSocketIoOptions = {},
): MountedSocketIo {
  const { sharded = true, key = 'default', onGap } = options;
  if (!/^[\w.:-]{1,100}$/.test(key)) {
    throw new DroverError('ARGUMENT_INVALID', 'The key of Socket.IO is not usable', {
      issues: [{ path: 'key', reason: 'is no key', allowed: '1 to 100 letters, digits, dots, colons, _ or -' }],
    });
  }
  const { clock, logger } = coordination;
  const publishing = coordination.connection('coord');
  const subscribing = coordination.connection('pubsub');
  const { client } = subscribing;
  const closing = new AbortController();
  const channel = `${coordination.prefix}:channel:socket-io:${key}`;
  let lastSignOfLifeMs = clock.monotonicMs();
  let awaySinceMs: number | undefined;
  let isFirst = true;

  const onClose = () => {
    if (!isFirst) awaySinceMs ??= lastSignOfLifeMs;
  };
  const onReady = () => {
    if (isFirst) isFirst = false;
    else void tellGap();
  };
  client.on('close', onClose);
  client.on('ready', onReady);

  const pub = withoutRejections(publishing.client, (error) => {
    logger.debug('An event for the clients of other servers is lost', { key, error });
  });
  const sub = withoutRejections(client, (error) => logger.debug('A subscription waits for Redis', { key, error }));
  io.adapter(
    (sharded
      ? createShardedAdapter(pub, sub, { channelPrefix: channel })
      : createAdapter(pub, sub, { key: channel, publishOnSpecificResponseChannel: true })) as never,
  );

  /** The client subscribes anew when it is ready; an answer to what was asked after that says that it has. */
  async function tellGap(): Promise<void> {
    await new Promise(setImmediate);
    try {
      await client.ping();
    } catch {
      return;
    }
    if (awaySinceMs === undefined || closing.signal.aborted) return;
    const sinceMs = Math.max(0, Math.round(clock.monotonicMs() - awaySinceMs));
    awaySinceMs = undefined;
    lastSignOfLifeMs = clock.monotonicMs();
    logger.warn('Events of other servers may not have reached the clients of this one', { key, sinceMs });
    try {
      onGap?.(sinceMs);
    } catch (error) {
      logger.error('A gap listener failed', { key, error });
    }
  }

  async function watch(): Promise<void> {
    while (!closing.signal.aborted) {
      await clock.sleep(pingIntervalMs, closing.signal);
      if (closing.signal.aborted || client.status !== 'ready') continue;
      try {
        await answerWithin(client.ping(), pingTimeoutMs, clock, closing.signal);
        lastSignOfLifeMs = clock.monotonicMs();
      } catch {
        if (!closing.signal.aborted && client.status === 'ready') client.disconnect(true);
      }
    }
  }
  const watching = watch();

  let closed: Promise<void> | undefined;
  async function close(): Promise<void> {
    closing.abort();
    coordination.signal.removeEventListener('abort', onLeave);
    client.off('close', onClose);
    client.off('ready', onReady);
    await watching;
    await Promise.all([publishing.close(), subscribing.close()]);
  }
  const closeOnce = () => {
    closed ??= close();
    return closed;
  };
  const onLeave = () => void closeOnce();
  coordination.signal.addEventListener('abort', onLeave, { once: true });

  return {
    async ready(signal) {
      for (;;) {
        signal?.throwIfAborted();
        if (closing.signal.aborted) throw new DroverError('STORE_UNREACHABLE', 'The Socket.IO adapter was closed');
        // It counts the servers that are subscribed: this one is when it is.
        const servers = await Promise.resolve(io.of('/').adapter.serverCount()).catch(() => 0);
        if (servers > 0 && client.status === 'ready') return;
        await clock.sleep(readyPollMs, signal);
      }
    },
    close: closeOnce,
  };
}

/** What the adapter calls and never waits for: a rejection of these would be nobody's, and end the process. */
const unwatched = new Set<string | symbol>([
  ...['publish', 'spublish', 'subscribe', 'psubscribe', 'ssubscribe'],
  ...['unsubscribe', 'punsubscribe', 'sunsubscribe'],
]);

function withoutRejections(client: Redis, onFailure: (error: unknown) => void): Redis {
  return new Proxy(client, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (!unwatched.has(name)) return value.bind(target);
      return async (...args: unknown[]) => {
        try {
          return await value.apply(target, args);
        } catch (error) {
          onFailure(error);
          return 0;
        }
      };
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  });
}
