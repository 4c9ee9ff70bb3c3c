import type { Redis } from 'ioredis';
import type { PlanCoordination } from '../shared/contracts/agent-session.ts';
import type { Logger } from '../shared/runtime/logger.ts';

export interface ServicesAccessOptions {
  /** The controllers' own Redis, as they reach it. */
  readonly redisUrl: string;
  /** Of the operator's choosing, with a user of its own; handed on as it is. */
  readonly servicesRedisUrl: string | undefined;
  /** All that services share begins with it. */
  readonly prefix: string;
  /** Derived from the cluster key: the same on every controller, and after every restart. */
  readonly redisPassword: string;
  readonly apiToken: string;
  readonly logger: Logger;
}

/** How services take part in coordination: what their workers are told, and the rights that go with it. */
export interface ServicesAccess {
  /** For the plans of agents; `redisUrl` is null while services have no Redis of their own to go to. */
  readonly coordination: PlanCoordination;
  /** To be called at each connection: a server that restarted or took over has forgotten the user. Never rejects. */
  grant(redis: Redis): Promise<void>;
}

/**
 * Services never get the controllers' own access to Redis. With no address of their own configured, a user is made there
 * who may touch only what begins with `prefix`, and no command that looks at or changes the server.
 */
export function createServicesAccess(options: ServicesAccessOptions): ServicesAccess {
  const { redisUrl, servicesRedisUrl, prefix, redisPassword, apiToken, logger } = options;
  let granted = servicesRedisUrl ?? null;
  return {
    get coordination() {
      return { redisUrl: granted, prefix, apiToken };
    },
    async grant(redis) {
      if (servicesRedisUrl !== undefined) return;
      try {
        await redis.acl('SETUSER', prefix, ...userRules(prefix, redisPassword));
        granted = withUser(redisUrl, prefix, redisPassword);
      } catch (error) {
        // Without an answer it is not known, and workers that start now would be without Redis for as long as they live.
        if ((error as Error).name !== 'ReplyError') return;
        granted = null;
        logger.warn(
          'Services get no Redis: no user could be made for them. Give them one with --services-redis-url-file',
          {
            reason: (error as Error).message,
          },
        );
      }
    },
  };
}

function userRules(prefix: string, password: string): string[] {
  return [
    ...['reset', 'on', `>${password}`, `~${prefix}:*`, `&${prefix}:*`],
    // INFO tells a client whether the server is ready, and a script which server it runs on.
    ...['+@all', '-@admin', '-@dangerous', '+info'],
  ];
}

/** The same server or Sentinels under another user. */
function withUser(url: string, user: string, password: string): string {
  return url.replace(/^([a-z+]+:\/\/)(?:[^@/]*@)?/, `$1${encodeURIComponent(user)}:${password}@`);
}
