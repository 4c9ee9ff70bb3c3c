import type { JobRun } from '../../shared/contracts/job-run.ts';
import { serviceSpecSchema } from '../../shared/contracts/spec.ts';

export function sampleRun(change: Partial<JobRun> = {}): JobRun {
  return {
    runId: 'j-1',
    service: 'shop',
    job: 'report',
    revision: 1,
    artifact: null,
    spec: serviceSpecSchema.parse({ name: 'shop', script: 'report.js' }),
    nodeId: 'n-1',
    tickAt: 1_000,
    fence: 1,
    claimToken: 'token-1',
    maxRunMs: 60_000,
    desired: 'run',
    ...change,
  };
}
