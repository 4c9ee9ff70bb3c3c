import { Redis, type RedisOptions } from 'ioredis';

import { type Logger, silentLogger } from '../runtime/logger.ts';
import { parseRedisUrl } from './redis-url.ts';

/** `coord` is for commands that must fail fast rather than wait or run twice; `pubsub` for subscribers. Never share them. */
export type RedisProfile = 'coord' | 'pubsub';
export type RedisState = 'ready' | 'down';

export interface ConnectRedisOptions {
  /** Told of each change. After `ready` of a `pubsub` client messages may have been missed: read the state again. */
  readonly onStateChange?: (state: RedisState) => void;
  readonly logger?: Logger;
}

export interface RedisConnection {
  readonly client: Redis;
  readonly state: RedisState;
  /** Resolves once connected. Rejects with the signal's reason when it aborts first, or when the connection is closed. */
  ready(signal?: AbortSignal): Promise<void>;
  /** Ends the connection and all retries; commands in flight are rejected. Never throws. */
  close(): Promise<void>;
}

/** A server on the same network answers in milliseconds; longer means it will not, and the next try may. */
const connectTimeoutMs = 500;
/** Coming back soon matters more than sparing a server that a handful of controllers use. */
const minReconnectMs = 20;
const maxReconnectMs = 250;
/** A command of the `coord` profile that has no answer by now will be judged by its caller as not done. */
const commandTimeoutMs = 5000;

const profiles: Record<RedisProfile, RedisOptions> = {
  coord: {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    commandTimeout: commandTimeoutMs,
    // A connection that is dead without a word would be asked for as long as the kernel believes in it: a quarter of an hour.
    socketTimeout: commandTimeoutMs,
  },
  pubsub: { maxRetriesPerRequest: null, autoResubscribe: true, enableOfflineQueue: true },
};

/**
 * Opens a connection that keeps itself open: it reconnects until closed, and no error of it is ever unhandled.
 * @throws DroverError ARGUMENT_INVALID when the URL cannot be read. An unreachable server is a state, not an error.
 */
export function connectRedis(url: string, profile: RedisProfile, options: ConnectRedisOptions = {}): RedisConnection {
  const { onStateChange, logger = silentLogger } = options;
  const target = parseRedisUrl(url);
  const client = new Redis({
    ...target,
    ...profiles[profile],
    connectTimeout: connectTimeoutMs,
    // Between two tries there is no socket to wait for, and the process would stay for as long as this.
    disconnectTimeout: connectTimeoutMs,
    retryStrategy: reconnectDelayMs,
    reconnectOnError: (error) => (/^(READONLY|UNBLOCKED)/.test(error.message) ? 1 : false),
    ...(target.sentinels === undefined ? {} : { failoverDetector: true, sentinelRetryStrategy: reconnectDelayMs }),
    connectionName: `drover-${profile}`,
    // The other mapping decodes some fractional scores wrong in the last digits.
    replyMapping: 'legacy',
  });

  handleResubscriptions(client);

  let state: RedisState = 'down';
  let lastError: Error | undefined;
  let opened = Promise.withResolvers<void>();
  opened.promise.catch(() => {});

  function enter(next: RedisState): void {
    if (state === next) return;
    state = next;
    if (next === 'ready') opened.resolve();
    else {
      opened = Promise.withResolvers<void>();
      opened.promise.catch(() => {});
    }
    logger.info(next === 'ready' ? 'Redis is ready' : 'Redis is down', lastError ? { error: lastError.message } : {});
    lastError = undefined;
    onStateChange?.(next);
  }

  client.on('ready', () => enter('ready'));
  client.on('close', () => enter('down'));
  client.on('error', (error: Error) => {
    // What the client itself would ask on a connection that is going: its end is told apart.
    const isOwn = error.message.startsWith("Stream isn't writeable");
    if (isOwn) logger.debug('Redis connection is going', { error: error.message });
    else if (lastError?.message !== error.message) logger.warn('Redis connection failed', { error: error.message });
    lastError = error;
  });

  return {
    client,
    get state() {
      return state;
    },
    async ready(signal) {
      signal?.throwIfAborted();
      const aborted = Promise.withResolvers<never>();
      const onAbort = () => aborted.reject(signal?.reason);
      signal?.addEventListener('abort', onAbort, { once: true });
      try {
        await Promise.race([opened.promise, aborted.promise]);
      } finally {
        signal?.removeEventListener('abort', onAbort);
      }
    },
    async close() {
      // Between two tries there is no socket, and so nothing that would say `end`.
      const hasSocket = ['connecting', 'connect', 'ready'].includes(client.status);
      const ended = new Promise((resolve) => client.once('end', resolve));
      client.disconnect();
      if (hasSocket) await ended;
      opened.reject(new Error('The Redis connection was closed'));
    },
  };
}

/** What the client subscribes anew by itself has nobody who waits for it: a rejection would end the process. */
function handleResubscriptions(client: Redis): void {
  for (const method of ['subscribe', 'psubscribe', 'ssubscribe'] as const) {
    const subscribe = client[method].bind(client) as (...channels: unknown[]) => Promise<unknown>;
    const handled = (...channels: unknown[]) => {
      const answer = subscribe(...channels);
      answer.catch(() => {});
      return answer;
    };
    Object.assign(client, { [method]: handled });
  }
}

function reconnectDelayMs(attempt: number): number {
  const boundMs = Math.min(maxReconnectMs, minReconnectMs * 2 ** Math.min(attempt, 10));
  return minReconnectMs + Math.random() * (boundMs - minReconnectMs);
}
