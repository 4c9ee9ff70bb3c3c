import { createHash } from 'node:crypto';
import type { JobRun } from '../../shared/contracts/job-run.ts';
import type { Snapshot } from '../../shared/contracts/snapshot.ts';
import type { ServiceSpec } from '../../shared/contracts/spec.ts';
import type { ClaimedRun } from '../../shared/coordination/cron/claim-run.ts';
import { Draft } from '../orchestrator/draft.ts';
import { defaultLimits } from '../orchestrator/limits.ts';
import { observe } from '../orchestrator/observe.ts';
import { place } from '../orchestrator/place.ts';
import type { ActiveJob } from './active-jobs.ts';

/** No slot of a service has it, so that a run is in the way of none. */
const noSlot = -1;

/**
 * The run of a claimed tick, on the node that the filters of its service choose; of those with the fewest runs. Or why no
 * node can take it.
 */
export function placeRun(
  { job, revision, spec: jobSpec }: ActiveJob,
  claimed: ClaimedRun,
  snapshot: Snapshot,
  present: readonly JobRun[],
): { readonly run: JobRun } | { readonly reason: string } {
  if (jobSpec.run.type !== 'process') return { reason: 'it is not a process' };
  const spec = processSpec(revision.spec, jobSpec.run);
  const draft = new Draft({
    snapshot,
    observations: observe(null, snapshot, 0),
    nowMs: 0,
    newId: () => '',
    limits: defaultLimits,
  });
  // What spreads new attempts of a slot over nodes spreads runs as well.
  const failedOn = new Map<string, number>();
  for (const { nodeId } of present) failedOn.set(nodeId, (failedOn.get(nodeId) ?? 0) + 1);
  const { node, ...rest } = { reason: '', ...place(draft, { spec, slot: noSlot, hostCaps: null, failedOn }) };
  if (node === null) return { reason: `no node can take it: ${rest.reason}` };
  const { service } = revision;
  return {
    run: {
      runId: runIdOn(service, job, claimed.epoch),
      service,
      job,
      revision: revision.revision,
      artifact: revision.artifact,
      spec,
      nodeId: node.id,
      tickAt: claimed.tick,
      fence: claimed.epoch,
      claimToken: claimed.token,
      maxRunMs: jobSpec.maxRunMs,
      desired: 'run',
    },
  };
}

/** The same for the same claim, whoever places it and however often. */
function runIdOn(service: string, job: string, fence: number): string {
  return `j-${createHash('sha256').update(`${service}/${job}/${fence}`).digest('hex').slice(0, 20)}`;
}

/** What is the service's of a process that neither listens nor stays. */
function processSpec(service: ServiceSpec, run: Extract<ActiveJob['spec']['run'], { type: 'process' }>): ServiceSpec {
  const { jobs: _, ...spec } = service;
  return {
    ...spec,
    script: run.script,
    args: run.args,
    env: { ...spec.env, ...run.env },
    execMode: 'fork',
    expectListen: false,
    waitReady: false,
    health: { ...spec.health, probe: undefined },
    routes: [],
    placement: { ...spec.placement, maxPerNode: undefined },
  };
}
