/** The Redis keys of one cron job. None of them expires: the ticks that were claimed must never be forgotten. */
export interface CronKeys {
  /** Hash: what was declared, `lastTick`, the run in progress, `epoch`, counters. */
  readonly job: string;
  /** List of JSON, newest first: the last runs. */
  readonly history: string;
  /** Sorted set: `<participant> <identity>` of the instances that declare the job, scored by the end of their word. */
  readonly hosts: string;
  /** List: instants of runs that were asked for and that nobody has started yet. */
  readonly requests: string;
  /** Set: names of all jobs under this prefix. */
  readonly jobs: string;
  /** Channel that says a job's name when its state changed. */
  readonly wakeChannel: string;
}

export function cronKeys(prefix: string, name: string): CronKeys {
  return {
    job: `${prefix}:cron:${name}`,
    history: `${prefix}:cron:${name}:history`,
    hosts: `${prefix}:cron:${name}:hosts`,
    requests: `${prefix}:cron:${name}:requests`,
    jobs: `${prefix}:crons`,
    wakeChannel: `${prefix}:crons:wake`,
  };
}
