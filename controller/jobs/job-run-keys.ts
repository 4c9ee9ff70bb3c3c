import { createKeys } from '../../shared/redis/keys.ts';

/** The Redis keys of processes of jobs, beside those of the store and in the same slot. */
export interface JobRunKeys {
  /** Hash: run id → id of its node, a blank, and the run as JSON. */
  readonly runs: string;
  /** Hash: run id → why it is to be stopped. */
  readonly stops: string;
  /** Hash: run id → rank of its state, a blank, and what the agent reported as JSON. */
  readonly statuses: string;
  /** Counter and channel of the store: a run is part of the desired state of its node. */
  readonly version: string;
  readonly wake: string;
}

export function jobRunKeys(prefix: string): JobRunKeys {
  const { version, wake } = createKeys(prefix);
  return {
    runs: `{${prefix}}:job-runs`,
    stops: `{${prefix}}:job-runs:stops`,
    statuses: `{${prefix}}:job-runs:statuses`,
    version,
    wake,
  };
}
