import { randomUUID } from 'node:crypto';

import {
  type ConnectRedisOptions,
  connectRedis,
  type RedisConnection,
  type RedisProfile,
  type RedisState,
} from '../redis/connect.ts';
import { parseRedisUrl } from '../redis/redis-url.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { type Logger, silentLogger } from '../runtime/logger.ts';
import { type Coordination, defaultServicesPrefix } from './coordination.ts';
import { createWakeUps } from './wake-ups.ts';

export interface OpenCoordinationOptions {
  readonly url: string;
  readonly identity: string;
  readonly prefix?: string;
  /** Default 0. */
  readonly minReplicas?: number;
  /** Default `failover` for a Sentinel URL, else `data`. */
  readonly guard?: 'data' | 'failover';
  readonly onStateChange?: (state: RedisState) => void;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

export interface OpenCoordination extends Coordination {
  readonly state: RedisState;
  /** Resolves once both connections are there. Rejects with the signal's reason when it aborts first. */
  ready(signal?: AbortSignal): Promise<void>;
  /**
   * Opens a further connection to the same Redis, for what must not share one: blocking reads, many subscriptions. It
   * belongs to the caller, and is closed with the participant at the latest.
   * @throws Error after `close()`
   */
  connection(profile: RedisProfile, options?: Pick<ConnectRedisOptions, 'onStateChange'>): RedisConnection;
  /** Ends everything started on it, then the connections. Never throws. */
  close(): Promise<void>;
}

/**
 * Opens the two connections that coordination needs, and keeps them open.
 * @throws DroverError ARGUMENT_INVALID when the URL cannot be read. An unreachable server is a state, not an error.
 */
export function openCoordination(options: OpenCoordinationOptions): OpenCoordination {
  const { url, identity, prefix = defaultServicesPrefix, minReplicas = 0 } = options;
  const { clock = systemClock, logger = silentLogger } = options;
  const guard = options.guard ?? (parseRedisUrl(url).sentinels === undefined ? 'data' : 'failover');
  const leaving = new AbortController();
  const coord = connectRedis(url, 'coord', { logger, ...pick(options) });
  const pubsub = connectRedis(url, 'pubsub', { logger });
  const wakeUps = createWakeUps(pubsub.client, leaving.signal, logger);
  const further = new Set<RedisConnection>();
  const unfinished = new Set<Promise<void>>();
  let closed: Promise<void> | undefined;

  return {
    redis: coord.client,
    wakeUps,
    prefix,
    identity,
    participantId: randomUUID(),
    minReplicas,
    guard,
    clock,
    logger,
    signal: leaving.signal,
    finish(work) {
      unfinished.add(work);
      void work.finally(() => unfinished.delete(work));
    },
    get state() {
      return coord.state;
    },
    async ready(signal) {
      await Promise.all([coord.ready(signal), pubsub.ready(signal)]);
    },
    connection(profile, more = {}) {
      leaving.signal.throwIfAborted();
      const opened = connectRedis(url, profile, { logger, ...more });
      further.add(opened);
      return {
        client: opened.client,
        get state() {
          return opened.state;
        },
        ready: opened.ready,
        async close() {
          if (further.delete(opened)) await opened.close();
        },
      };
    },
    close() {
      closed ??= (async () => {
        leaving.abort();
        while (unfinished.size > 0) await Promise.all(unfinished);
        const rest = [...further].map((connection) => connection.close());
        further.clear();
        await Promise.all([pubsub.close(), coord.close(), ...rest]);
      })();
      return closed;
    },
  };
}

function pick({ onStateChange }: OpenCoordinationOptions): { onStateChange?: (state: RedisState) => void } {
  return onStateChange === undefined ? {} : { onStateChange };
}
