import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeInstance } from '../../../agent/instance/describe-instance.ts';
import { instanceStatusSchema } from '../../../shared/contracts/entities.ts';
import { instanceView, workerIn } from '../../support/instance-view.ts';

test('without a probe an instance is healthy while its worker is ready, for as long as it has been', () => {
  const status = describeInstance(instanceView({ worker: workerIn('ready'), readySinceMs: 400 }), 1_000);
  assert.deepEqual([status.state, status.health, status.healthyForMs], ['running', 'healthy', 600]);
  instanceStatusSchema.parse(status);
});

test('with a probe it is healthy by the probe, and the reason is what the probe got', () => {
  const view = instanceView({
    worker: workerIn('ready'),
    spec: { health: { probe: { type: 'http' } } },
    probe: { verdict: 'unhealthy', sinceMs: 0, answer: 'GET /health answered 503' },
  });
  const { health, healthyForMs, reason, probe } = describeInstance(view, 1_000);
  assert.deepEqual([health, healthyForMs], ['unhealthy', 0]);
  assert.equal(reason, 'GET /health answered 503');
  assert.equal(probe, 'GET /health answered 503');
});

test('a running instance whose worker is restarted stays running, and is unhealthy meanwhile', () => {
  for (const phase of ['waiting-restart', 'starting', 'stopping'] as const) {
    const { state, health } = describeInstance(instanceView({ worker: workerIn(phase), reached: 'running' }), 0);
    assert.deepEqual([phase, state, health], [phase, 'running', 'unhealthy']);
  }
});

test('a worker that is killed because it did not get ready never was running', () => {
  const { state, health } = describeInstance(instanceView({ worker: workerIn('stopping'), reached: 'starting' }), 0);
  assert.deepEqual([state, health], ['starting', 'unknown']);
});

test('a worker that stops by the wish of the leader is stopping', () => {
  const view = instanceView({ worker: workerIn('stopping'), reached: 'running', desired: 'stop' });
  assert.equal(describeInstance(view, 0).state, 'stopping');
});

test('while it is prepared the reason says what is done', () => {
  const view = instanceView({ preparation: { state: 'running', note: 'installs dependencies' } });
  const { state, reason } = describeInstance(view, 0);
  assert.deepEqual([state, reason], ['preparing', 'installs dependencies']);
});

test('the last holder of a shared port counts as drained, because the routers know what is in flight', () => {
  const change = { worker: workerIn('ready'), desired: 'drain' } as const;
  const drained = (view: ReturnType<typeof instanceView>) => describeInstance(view, 0).drained;
  assert.equal(drained(instanceView({ ...change, spec: { execMode: 'cluster' } })), true);
  assert.equal(drained(instanceView({ ...change, spec: { execMode: 'cluster' }, siblingServes: true })), false);
  assert.equal(drained(instanceView(change)), false);
});

test('a worker lost with its shim counts as a restart', () => {
  const view = instanceView({ worker: { ...workerIn('ready'), restarts: 2 }, lostWorkers: 1 });
  assert.equal(describeInstance(view, 0).restarts, 3);
});
