import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoredRun } from '../../../controller/jobs/job-run-store.ts';
import { judgeRun, type RunVerdict } from '../../../controller/jobs/watch-runs.ts';
import type { JobRunStatus } from '../../../shared/contracts/job-run.ts';
import { sampleNode } from '../../support/sample-entities.ts';
import { sampleRun } from '../../support/sample-job-run.ts';

const node = sampleNode({ id: 'n-1', name: 'host-1' });
const ended = (outcome: JobRunStatus['outcome'], reason = ''): StoredRun => ({
  run: sampleRun(),
  status: { state: 'ended', outcome, code: 3, signal: null, reason, lastLines: [], durationMs: 5 },
});
const under: StoredRun = { run: sampleRun({ maxRunMs: 60_000 }), status: null };

const cases: [string, RunVerdict, StoredRun, typeof node | undefined, number][] = [
  ['a run is kept while its node is heard', { verb: 'keep' }, under, node, 0],
  ['also while it is not heard for a moment', { verb: 'keep' }, under, { ...node, state: 'disconnected' }, 0],
  [
    'with its node it is lost',
    { verb: 'finish', outcome: 'lost', error: 'its node host-1 was lost' },
    under,
    { ...node, state: 'lost' },
    0,
  ],
  [
    'so it is with a node that was removed',
    { verb: 'finish', outcome: 'lost', error: 'its node was removed' },
    under,
    undefined,
    0,
  ],
  [
    'what it said before its node was lost counts',
    { verb: 'finish', outcome: 'succeeded', error: '' },
    ended('succeeded'),
    { ...node, state: 'lost' },
    0,
  ],
  [
    'a failure has a reason',
    { verb: 'finish', outcome: 'failed', error: 'report.js ended with code 3' },
    ended('failed'),
    node,
    0,
  ],
  [
    'the reason of the agent is the better one',
    { verb: 'finish', outcome: 'timed-out', error: 'too slow' },
    ended('timed-out', 'too slow'),
    node,
    0,
  ],
  [
    'one that was stopped has failed',
    { verb: 'finish', outcome: 'failed', error: 'it was stopped' },
    ended('stopped'),
    node,
    0,
  ],
  ['an agent that forgets its time is reminded', { verb: 'stop', why: 'it took too long' }, under, node, 660_001],
  [
    'and given up, when it says nothing',
    { verb: 'finish', outcome: 'lost', error: 'node host-1 did not say what became of it' },
    { ...under, run: sampleRun({ desired: 'stop' }) },
    node,
    780_001,
  ],
];
for (const [title, expected, stored, itsNode, seenForMs] of cases) {
  test(title, () => assert.deepEqual(judgeRun(stored, itsNode, seenForMs), expected));
}
