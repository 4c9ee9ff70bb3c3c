/** A schedule: a cron pattern of five fields (six with seconds first), or a fixed beat counted from 1970. */
export type CronSchedule = string | { readonly everyMs: number };

export type CronOverlap = 'skip' | 'queue' | 'replace';

/**
 * What becomes of ticks that nobody claimed in time. `none`: given up. `last`: only the latest is run, if it is at most
 * an hour old. `all`: each of the last hour is run, in order. Or with a window of your own.
 */
export type CatchUp = 'none' | 'last' | 'all' | { readonly run: 'last' | 'all'; readonly withinMs: number };

export type CronTrigger = 'schedule' | 'catch-up' | 'manual';
export type CronOutcome = 'succeeded' | 'failed' | 'timed-out' | 'lost' | 'skipped';

export interface CronOptions {
  /** An IANA zone in which a pattern is read. Default `UTC`. */
  readonly timeZone?: string;
  /**
   * What happens to a tick while an earlier run is in progress: it is used up (`skip`, the default), waits (`queue`), or
   * ends the earlier run (`replace`), whose signal then aborts. The two overlap until its handler has noticed: fence.
   */
  readonly overlap?: CronOverlap;
  /** Default `last`. */
  readonly catchUp?: CatchUp;
  /**
   * While Redis cannot be asked, a tick waits for it (`skip`, the default; the catch-up policy decides later), or runs on
   * every instance (`run`): then only a row per run makes the effect once, see `claimRunRow`.
   */
  readonly onStoreDown?: 'skip' | 'run';
  /** A run that takes longer is `timed-out` and its signal aborts. 100 or more; default an hour. */
  readonly maxRunMs?: number;
  /** How long a silent host is believed to be running; then the run is `lost`. 300 or more; default ten seconds. */
  readonly ttlMs?: number;
}

/** One run of a job, as its handler sees it. */
export interface CronRun {
  readonly job: string;
  /** The nominal instant, never "now". */
  readonly tick: Date;
  /** `job@<tick as ISO 8601>`; with `.manual` after it for a run that was asked for. Unique, and the same on every host. */
  readonly runId: string;
  /** The fence: above that of every earlier run of the job. */
  readonly token: number;
  readonly trigger: CronTrigger;
  /** Aborts when the run is lost, replaced, timed out or closed; its reason says which. */
  readonly signal: AbortSignal;
  /** Call before each effect: it also sees a pause of the whole process. @throws DroverError LEASE_LOST, DEADLINE_PASSED */
  assert(): void;
}

export type CronHandler = (run: CronRun) => unknown;

/** A run of the past. */
export interface CronRecord {
  readonly runId: string;
  readonly tick: Date;
  readonly trigger: CronTrigger;
  /** Of the instance that ran it. */
  readonly identity: string;
  readonly token: number;
  readonly startedAt: Date;
  /** By the host's monotonic clock; for `lost` and `skipped` by that of the server. */
  readonly durationMs: number;
  readonly outcome: CronOutcome;
  readonly result?: unknown;
  readonly error?: string;
}

/** How a job stands, as everyone sees it. */
export interface CronView {
  readonly name: string;
  readonly schedule: CronSchedule;
  readonly timeZone: string;
  readonly overlap: CronOverlap;
  readonly paused: boolean;
  /** The next tick that may be claimed; undefined while paused, or where the schedule has none. */
  readonly nextTickAt: Date | undefined;
  /** The last tick that was claimed or given up. For a new job, when it was declared. */
  readonly lastTickAt: Date;
  readonly running: {
    readonly identity: string;
    readonly since: Date;
    readonly tick: Date;
    readonly runId: string;
    readonly token: number;
  } | null;
  /** Ticks that were not run: skipped, or given up by the catch-up policy. */
  readonly missed: number;
  /** Runs that were asked for and wait for an instance. */
  readonly asked: number;
  /** Identities of the live instances that declare it. */
  readonly hosts: readonly string[];
}

/** What became of a tick that was offered by hand. */
export type TickRun =
  | {
      readonly ran: true;
      readonly runId: string;
      readonly token: number;
      readonly outcome: Exclude<CronOutcome, 'skipped'>;
      readonly result?: unknown;
      readonly error?: unknown;
    }
  | {
      readonly ran: false;
      /**
       * `taken`: it ran, runs, or was given up. `early`: it is more than five seconds ahead. `running`: it waits for an
       * earlier run, and is claimed later. `skipped`: an earlier run has used it up.
       */
      readonly reason: 'taken' | 'early' | 'running' | 'skipped' | 'paused' | 'superseded' | 'unreachable' | 'closed';
    };

export interface CronJob {
  readonly name: string;
  /** As this instance sees it; undefined while paused, superseded, or before Redis has answered. */
  readonly nextTick: Date | undefined;
  /** Resolves once Redis knows of the declaration; stays pending while Redis is away. Never rejects. */
  readonly ready: Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Asks for a run now, on whichever instance takes it. Answers the run's id. */
  trigger(): Promise<string>;
  history(options?: { readonly limit?: number }): Promise<CronRecord[]>;
  /** Runs a tick here if nobody else has; for timers of someone else. Never throws. */
  runTick(tick: Date, handler?: CronHandler): Promise<TickRun>;
  /** Stops claiming, and lets a run in progress end within `graceMs` (default 10,000), then aborts it. Never throws. */
  close(options?: { readonly graceMs?: number }): Promise<void>;
}
