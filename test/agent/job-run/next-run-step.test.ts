import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nextRunStep, type RunView } from '../../../agent/job-run/next-run-step.ts';
import type { WorkerExit, WorkerSnapshot } from '../../../agent/shim/protocol.ts';
import { sampleRun } from '../../support/sample-job-run.ts';

const exit: WorkerExit = {
  ...{ reason: 'exit', code: 0, signal: null, at: 0, uptimeMs: 40, message: 'exited with code 0 after 40 ms' },
  ...{ lastLines: ['done'], forced: false },
};
const worker = { phase: 'ready', lastExit: null, startedAt: 1 } as unknown as WorkerSnapshot;
const fresh: RunView = {
  ...{ run: sampleRun(), confirmed: true, record: 'none', preparation: { state: 'none' } },
  ...{ bundle: 'absent', worker: null, recordedExit: null, runningForMs: 0 },
};
const begun: RunView = { ...fresh, record: 'begun', preparation: { state: 'ready' }, bundle: 'connected' };

describe('before it has begun', () => {
  const cases: [string, Partial<RunView>, string][] = [
    ['it is prepared', {}, 'prepare'],
    ['it waits for its preparation', { preparation: { state: 'running', note: '' } }, 'wait'],
    ['it begins once it is prepared', { preparation: { state: 'ready' } }, 'begin'],
    [
      'nothing begins by a plan that no controller has confirmed',
      { confirmed: false, preparation: { state: 'ready' } },
      'wait',
    ],
    ['one that is not wanted any more ends', { run: sampleRun({ desired: 'stop' }) }, 'end stopped'],
    ['one that cannot be prepared fails', { preparation: { state: 'failed', reason: 'no such script' } }, 'end failed'],
  ];
  for (const [title, change, expected] of cases)
    test(title, () => assert.equal(show({ ...fresh, ...change }), expected));
});

describe('after it has begun', () => {
  const cases: [string, Partial<RunView>, string][] = [
    ['its process is started where its shim knows of none', {}, 'start'],
    ['it is waited for', { worker }, 'wait'],
    ['a shim that cannot be reached is waited for', { bundle: 'connecting' }, 'wait'],
    ['what a dead shim has left is ended first', { bundle: 'orphaned' }, 'wait'],
    ['with its shim gone, and no end recorded, it is lost and never begun again', { bundle: 'absent' }, 'end lost'],
    ['with its shim gone after its end, the record tells', { bundle: 'absent', recordedExit: exit }, 'end succeeded'],
    ['exit code 0 is success', { worker: ended({}) }, 'end succeeded'],
    ['any other is failure', { worker: ended({ code: 3 }) }, 'end failed'],
    ['so is a signal', { worker: ended({ code: null, signal: 'SIGKILL' }) }, 'end failed'],
    ['so is a start that failed', { worker: ended({ reason: 'script-not-found', code: null }) }, 'end failed'],
    ['it is stopped when it takes too long', { worker, runningForMs: 60_000 }, 'stop'],
    ['not before', { worker, runningForMs: 59_999 }, 'wait'],
    ['it is stopped when it is not wanted any more', { worker, run: sampleRun({ desired: 'stop' }) }, 'stop'],
    ['once', { worker: { ...worker, phase: 'stopping' }, runningForMs: 70_000 }, 'wait'],
    [
      'stopped for its time, it has timed out',
      { worker: ended({ reason: 'stop', code: null, signal: 'SIGINT' }) },
      'end timed-out',
    ],
    [
      'stopped on demand, it was stopped',
      { run: sampleRun({ desired: 'stop' }), worker: ended({ reason: 'stop' }) },
      'end stopped',
    ],
    ['its end is the last word', { record: 'ended', bundle: 'absent' }, 'wait'],
  ];
  for (const [title, change, expected] of cases)
    test(title, () => assert.equal(show({ ...begun, ...change }), expected));
});

function ended(change: Partial<WorkerExit>): WorkerSnapshot {
  return { ...worker, phase: 'errored', lastExit: { ...exit, ...change } };
}

function show(view: RunView): string {
  const step = nextRunStep(view);
  return step.kind === 'end' ? `end ${step.end.outcome}` : step.kind;
}
