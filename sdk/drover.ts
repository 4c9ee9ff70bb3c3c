import { DroverError } from '../shared/contracts/drover-error.ts';
import type { CallbackCall } from '../shared/coordination/callback/callback-call.ts';
import type { CallbackHandler } from '../shared/coordination/callback/callback-run.ts';
import {
  type CallbackResult,
  type Callbacks,
  type CallbacksOptions,
  createCallbacks,
} from '../shared/coordination/callback/callbacks.ts';
import { type Channels, createChannels } from '../shared/coordination/channel/create-channels.ts';
import type { CronHandler, CronJob, CronOptions, CronSchedule } from '../shared/coordination/cron/cron-job.ts';
import { type Crons, createCrons, type DeclareOptions } from '../shared/coordination/cron/crons.ts';
import {
  createDiscovery,
  type DiscoveryOptions,
  type ServiceAddress,
} from '../shared/coordination/discovery/discovery.ts';
import { createElection, type Election, type ElectionOptions } from '../shared/coordination/election/election.ts';
import type { HeldLock } from '../shared/coordination/lock/held-lock.ts';
import { createLocks, type LockOptions, type Locks } from '../shared/coordination/lock/locks.ts';
import {
  createQuorumLocks,
  type QuorumLock,
  type QuorumLockOptions,
  type QuorumLocks,
} from '../shared/coordination/lock/quorum-lock.ts';
import type { OpenCoordination } from '../shared/coordination/open-coordination.ts';
import { createPortPools, type PortPools, type PortPoolsOptions } from '../shared/coordination/port-pool/port-pools.ts';
import type { RedisState } from '../shared/redis/connect.ts';

/** One participant: all primitives of coordination, on one Redis and under one prefix. */
export interface Drover extends AsyncDisposable {
  /** Who this process is, for people. */
  readonly identity: string;
  /** The host that port pools belong to by default. */
  readonly host: string;
  /** `down` while Redis cannot be reached; it comes back by itself. */
  readonly state: RedisState;
  /** Resolves once connected. Rejects with the signal's reason when it aborts first. */
  ready(signal?: AbortSignal): Promise<void>;

  /**
   * Waits for a lock, first come, first served. Several names are taken together or not at all.
   * `await using lock = await drover.lock('order:42', { ttlMs, waitMs, signal })`
   * @throws DroverError LOCK_TIMEOUT, STORE_UNREACHABLE, ARGUMENT_INVALID; the signal's reason
   */
  lock(name: string | readonly string[], options?: LockOptions): Promise<HeldLock>;
  /** The lock if it is free, else null. */
  tryLock: Locks['tryLock'];
  /** Runs `body` while the lock is held. An error of the body is rethrown as it is, whatever becomes of the release. */
  withLock: Locks['withLock'];
  /** Further kinds of locks, and who holds what. */
  readonly locks: Locks;
  /** A lock by a majority of the independent masters that `connect({ quorum })` named. @throws DroverError ARGUMENT_INVALID without */
  quorumLock(name: string, options?: QuorumLockOptions): Promise<QuorumLock>;

  /** Stands for leader under a name, or looks who leads. */
  election(name: string, options?: ElectionOptions): Election;

  /** Declares a job on this instance: each tick runs on one of those that declare it. See `Crons.cron`. */
  cron(name: string, schedule: CronSchedule, handler: CronHandler, options?: DeclareOptions): CronJob;
  /** For a timer of someone else that fires on every instance, such as `@Cron` of NestJS. See `Crons.run`. */
  cronRun: Crons['run'];
  /** What anyone may see and do about jobs. */
  readonly crons: Crons;

  /** Processes a delivery once, or replays its answer; Redis remembers. With a database: `callbacks({ database })`. */
  callback(call: CallbackCall, handler: CallbackHandler): Promise<CallbackResult>;
  callbacks(options?: CallbacksOptions): Callbacks;

  /** Joins the port pools of a host, by default of this one. */
  ports(options: Omit<PortPoolsOptions, 'host'> & { readonly host?: string }): Promise<PortPools>;

  topic: Channels['topic'];
  stream: Channels['stream'];
  presence: Channels['presence'];
  direct: Channels['direct'];
  inbox: Channels['inbox'];
  readonly channels: Channels;

  /** Another service by its name: `fetch(`${await drover.service('billing').url()}/orders`)`. */
  service(name: string): ServiceAddress;

  /** For the helpers of other entries, and for what is not here yet. */
  readonly coordination: OpenCoordination;
  /** Ends what was started, gives back what is held, and closes the connections. Never throws. */
  close(): Promise<void>;
}

export type { CronOptions };

export interface DroverDeps {
  readonly coordination: OpenCoordination;
  readonly host: string;
  /** URLs of independent masters; none is no quorum. */
  readonly quorum: readonly string[];
  readonly serviceUrls: NonNullable<DiscoveryOptions['given']>;
}

export function createDrover({ coordination, host, quorum, serviceUrls }: DroverDeps): Drover {
  const { identity, prefix, clock, logger } = coordination;
  const locks = createLocks(coordination);
  const crons = createCrons(coordination);
  const channels = createChannels(coordination);
  const discovery = createDiscovery(coordination, { host, given: serviceUrls });
  const callbacks = createCallbacks(coordination);
  const pools = new Set<PortPools>();
  const elections = new Set<Election>();
  const masters: QuorumLocks | undefined =
    quorum.length === 0 ? undefined : createQuorumLocks({ urls: quorum, identity, prefix, clock, logger });
  let closed: Promise<void> | undefined;

  /** Work first, then what work stands on, then the connections. */
  async function close(): Promise<void> {
    await Promise.all([crons.close(), channels.close()]);
    await Promise.all([...elections].map((election) => election.close()));
    await Promise.all([locks.close(), masters?.close(), ...[...pools].map((pool) => pool.close())]);
    discovery.close();
    await coordination.close();
  }
  const closeOnce = () => {
    closed ??= close();
    return closed;
  };

  return {
    identity,
    host,
    get state() {
      return coordination.state;
    },
    async ready(signal) {
      await Promise.all([coordination.ready(signal), masters?.ready(signal)]);
    },
    lock: (name, options) => locks.lock(name, options),
    tryLock: locks.tryLock,
    withLock: locks.withLock,
    locks,
    async quorumLock(name, options) {
      if (masters !== undefined) return masters.lock(name, options);
      throw new DroverError(
        'ARGUMENT_INVALID',
        'There are no masters to vote: name 1, 3 or 5 with connect({ quorum })',
        {
          issues: [{ path: 'quorum', reason: 'is not set', allowed: 'URLs of 1, 3 or 5 independent Redis servers' }],
        },
      );
    },
    election(name, options) {
      const election = createElection(coordination, name, options);
      elections.add(election);
      return election;
    },
    cron: (name, schedule, handler, options) => crons.cron(name, schedule, handler, options),
    cronRun: (name, schedule, body, options) => crons.run(name, schedule, body, options),
    crons,
    callback: (call, handler) => callbacks.callback(call, handler),
    callbacks: (options) => createCallbacks(coordination, options),
    async ports(options) {
      const pool = await createPortPools(coordination, { host, ...options });
      pools.add(pool);
      return pool;
    },
    topic: channels.topic,
    stream: channels.stream,
    presence: channels.presence,
    direct: channels.direct,
    inbox: channels.inbox,
    channels,
    service: discovery.service,
    coordination,
    close: closeOnce,
    [Symbol.asyncDispose]: closeOnce,
  };
}
