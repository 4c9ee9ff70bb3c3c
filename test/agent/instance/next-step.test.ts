import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InstanceView } from '../../../agent/instance/instance-view.ts';
import { type InstanceStep, nextStep } from '../../../agent/instance/next-step.ts';
import { instanceView, workerIn } from '../../support/instance-view.ts';

interface Row {
  readonly title: string;
  readonly view: InstanceView;
  readonly step: InstanceStep['kind'];
  readonly nowMs?: number;
}

const ready = { state: 'ready' } as const;
const cutOff = { spec: { placement: { onDisconnect: 'stop', stopAfterMs: 5_000 } }, cutOffForMs: 5_000 } as const;
const cluster = { spec: { execMode: 'cluster' } } as const;
const unrouted = { spec: { drainTimeoutMs: 9_000 } } as const;
const routed = { spec: { drainTimeoutMs: 9_000, routes: [{ path: '/' }] } };
const unhealthy = { verdict: 'unhealthy', sinceMs: 0, answer: 'GET / answered 503' } as const;

const table: readonly Row[] = [
  { title: 'an instance that was never prepared is prepared', view: instanceView({}), step: 'prepare' },
  {
    title: 'nothing is begun before a controller has confirmed the plan',
    view: instanceView({ confirmed: false, preparation: ready }),
    step: 'wait',
  },
  { title: 'a prepared one gets a shim', view: instanceView({ preparation: ready }), step: 'openBundle' },
  {
    title: 'with a shim it is started',
    view: instanceView({ preparation: ready, bundle: 'connected' }),
    step: 'start',
  },
  {
    title: 'nothing is started while the shim does not answer, because it may have the worker',
    view: instanceView({ preparation: ready, bundle: 'connecting' }),
    step: 'wait',
  },
  {
    title: 'nothing is started while a dead shim may have left the worker alive',
    view: instanceView({ preparation: ready, bundle: 'orphaned' }),
    step: 'wait',
  },
  {
    title: 'a failed preparation is the end',
    view: instanceView({ preparation: { state: 'failed', reason: 'no' } }),
    step: 'end',
  },
  { title: 'a plan without its revision is the end', view: instanceView({ spec: null }), step: 'end' },
  {
    title: 'one that should drain before it was started is not started',
    view: instanceView({ desired: 'drain', preparation: ready, bundle: 'connected' }),
    step: 'wait',
  },
  { title: 'one that should stop and has no worker has stopped', view: instanceView({ desired: 'stop' }), step: 'end' },
  {
    title: 'one whose worker may be alive has not stopped yet',
    view: instanceView({ desired: 'stop', bundle: 'orphaned' }),
    step: 'wait',
  },
  {
    title: 'in fork mode the port stays open while the routers let go',
    view: instanceView({ desired: 'drain', worker: workerIn('ready'), siblingServes: true }),
    step: 'wait',
  },
  {
    title: 'in cluster mode a worker drains when another takes its connections',
    view: instanceView({ desired: 'drain', worker: workerIn('ready'), siblingServes: true, ...cluster }),
    step: 'drain',
  },
  {
    title: 'in cluster mode the last worker keeps the port open while the routers let go',
    view: instanceView({ desired: 'drain', worker: workerIn('ready'), ...cluster }),
    step: 'wait',
  },
  {
    title: 'a worker is drained before it is stopped',
    view: instanceView({ desired: 'stop', worker: workerIn('ready') }),
    step: 'drain',
  },
  {
    title: 'a draining worker is waited for',
    view: instanceView({ desired: 'stop', worker: workerIn('draining'), drainingSinceMs: 0, ...unrouted }),
    nowMs: 8_999,
    step: 'wait',
  },
  {
    title: 'and stopped when its time is up',
    view: instanceView({ desired: 'stop', worker: workerIn('draining'), drainingSinceMs: 0, ...unrouted }),
    nowMs: 9_000,
    step: 'stop',
  },
  {
    title: 'or as soon as nothing is in flight',
    view: instanceView({ desired: 'stop', worker: { ...workerIn('draining'), drained: true }, drainingSinceMs: 0 }),
    step: 'stop',
  },
  {
    title: 'behind routers that have let go a second is enough',
    view: instanceView({ desired: 'stop', worker: workerIn('draining'), drainingSinceMs: 0, ...routed }),
    nowMs: 1_000,
    step: 'stop',
  },
  {
    title: 'a worker that is not ready yet is stopped at once',
    view: instanceView({ desired: 'stop', worker: workerIn('starting') }),
    step: 'stop',
  },
  {
    title: 'a worker that waits for its restart is stopped at once',
    view: instanceView({ desired: 'stop', worker: workerIn('waiting-restart') }),
    step: 'stop',
  },
  {
    title: 'a worker that is stopping is waited for',
    view: instanceView({ desired: 'stop', worker: workerIn('stopping') }),
    step: 'wait',
  },
  {
    title: 'a worker that gave up is the end',
    view: instanceView({ worker: workerIn('errored') }),
    step: 'end',
  },
  { title: 'a worker that was stopped is the end', view: instanceView({ worker: workerIn('exited') }), step: 'end' },
  {
    title: 'a service that must not run cut off is drained and stopped',
    view: instanceView({ worker: workerIn('ready'), ...cutOff }),
    step: 'drain',
  },
  {
    title: 'a moment before it runs on',
    view: instanceView({ worker: workerIn('ready'), ...cutOff, cutOffForMs: 4_999 }),
    step: 'wait',
  },
  {
    title: 'any other service runs on, however long it is cut off',
    view: instanceView({ worker: workerIn('ready'), cutOffForMs: 1e9 }),
    step: 'wait',
  },
  {
    title: 'one that stays unhealthy is restarted',
    view: instanceView({ worker: workerIn('ready'), probe: unhealthy }),
    nowMs: 30_000,
    step: 'restart',
  },
  {
    title: 'not before its time',
    view: instanceView({ worker: workerIn('ready'), probe: unhealthy }),
    nowMs: 29_999,
    step: 'wait',
  },
  {
    title: 'and never when the spec says so',
    view: instanceView({ worker: workerIn('ready'), probe: unhealthy, spec: { health: { restartAfterMs: 0 } } }),
    nowMs: 1e9,
    step: 'wait',
  },
  {
    title: 'an end is never taken back',
    view: instanceView({
      end: { state: 'failed', reason: '', finished: false },
      worker: workerIn('ready'),
      desired: 'stop',
    }),
    step: 'wait',
  },
];

for (const { title, view, step, nowMs = 0 } of table) {
  test(title, () => assert.equal(nextStep(view, nowMs).kind, step));
}

test('the reason of a worker that gave up is what its shim says', () => {
  const worker = { ...workerIn('errored'), failure: 'exited with code 1 before it was ready' };
  assert.deepEqual(nextStep(instanceView({ worker }), 0), {
    kind: 'end',
    state: 'failed',
    reason: 'exited with code 1 before it was ready',
    finished: false,
  });
});

test('a worker that ended by itself and may stay so has finished; one that was ended on its host has not', () => {
  const finished = { ...workerIn('exited'), failure: 'autorestart is off: exited with code 0 after 2.0 s' };
  assert.deepEqual(nextStep(instanceView({ worker: finished }), 0), {
    kind: 'end',
    state: 'stopped',
    reason: 'autorestart is off: exited with code 0 after 2.0 s',
    finished: true,
  });
  const ended = nextStep(instanceView({ worker: workerIn('exited') }), 0);
  assert.deepEqual([ended.kind, 'finished' in ended && ended.finished], ['end', false]);
});
