import type { Redis } from 'ioredis';

import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { WakeUps } from './wake-ups.ts';

/** What every primitive works on: one Redis, one name space, one participant. Made by `openCoordination`. */
export interface Coordination {
  /** A client of the `coord` profile: commands fail fast, are never queued and never repeated. */
  readonly redis: Redis;
  readonly wakeUps: WakeUps;
  /** All keys and channels begin with it and a colon. */
  readonly prefix: string;
  /** Who takes part, for people and observers: `host/instance`. No spaces, no secrets. */
  readonly identity: string;
  /** Unique per process and opening; part of the channel on which this participant alone is woken. */
  readonly participantId: string;
  /** Replicas that must have acknowledged what a holder relies on; 0 where there are none. */
  readonly minReplicas: number;
  /**
   * `data`: nothing is granted for one ttl after Redis came back empty. `failover`: also after another server took
   * over, or the same one restarted, because such a server may lack the last writes (scripts see it by the run id).
   */
  readonly guard: 'data' | 'failover';
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborts when the participant leaves: everything started on it ends. */
  readonly signal: AbortSignal;
  /** Takes on work that whoever began it does not wait for: the connections stay until it is over. It must not reject. */
  finish(work: Promise<void>): void;
}

/** Of everything that services share, where nothing else is configured. Apart from the controllers' own keys. */
export const defaultServicesPrefix = 'drover-services';
