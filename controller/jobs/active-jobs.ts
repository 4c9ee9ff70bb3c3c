import type { Revision } from '../../shared/contracts/entities.ts';
import type { JobSpec } from '../../shared/contracts/job.ts';
import type { Snapshot } from '../../shared/contracts/snapshot.ts';
import { type CronDefinition, defineCron } from '../../shared/coordination/cron/cron-definition.ts';

/** A job that should be run now: of the stable revision of a service that is neither stopped nor deleted. */
export interface ActiveJob {
  /** `service/job`, as the crons of services are named too. */
  readonly name: string;
  readonly job: string;
  readonly revision: Revision;
  readonly spec: JobSpec;
  readonly definition: CronDefinition;
}

/**
 * How long a silent controller is believed to be working. A request is its own, so that another may soon take the next
 * tick; a process goes on by itself, and any controller speaks for it once the agents have found one.
 */
const requestTtlMs = 10_000;
export const processTtlMs = 30_000;

/** The jobs to run, by name. Pure. A revision becomes active when its first deployment has succeeded. */
export function activeJobs({ services, revisions }: Pick<Snapshot, 'services' | 'revisions'>): Map<string, ActiveJob> {
  const jobs = new Map<string, ActiveJob>();
  for (const { name: service, stable, stopped, deleted } of services) {
    if (stable === null || stopped || deleted) continue;
    const revision = revisions.find((one) => one.service === service && one.revision === stable.revision);
    for (const [job, spec] of Object.entries(revision?.spec.jobs ?? {})) {
      const name = `${service}/${job}`;
      jobs.set(name, { name, job, revision: revision!, spec, definition: defineJob(name, spec) });
    }
  }
  return jobs;
}

function defineJob(name: string, { schedule, timeZone, overlap, catchUp, maxRunMs, run }: JobSpec): CronDefinition {
  return defineCron(name, schedule, {
    timeZone,
    overlap,
    catchUp: typeof catchUp === 'string' ? catchUp : { run: 'all', withinMs: catchUp.withinMs },
    maxRunMs,
    ttlMs: run.type === 'http' ? requestTtlMs : processTtlMs,
  });
}
