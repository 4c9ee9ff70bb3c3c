import assert from 'node:assert/strict';

import type { RunningExample } from '../run-example.ts';

export interface ExpiryRun {
  readonly runId: string;
  readonly expired: number;
}

/** The runs of which instances said that they have expired orders. Fails when two of them did the same. */
export function runsOf(instances: readonly RunningExample[]): ExpiryRun[] {
  const runs = instances.flatMap((instance) =>
    [...instance.output().matchAll(/^Expired (\d+) orders in (\S+)$/gm)].map(([, expired, runId]) => ({
      ...{ runId: runId!, expired: Number(expired) },
    })),
  );
  const ids = runs.map(({ runId }) => runId);
  assert.deepEqual(
    ids.filter((id, index) => ids.indexOf(id) !== index),
    [],
    'runs that were done twice',
  );
  return runs;
}
