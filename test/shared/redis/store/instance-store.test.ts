import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import type { Report } from '../../../../shared/contracts/agent-session.ts';
import type { InstanceStatus } from '../../../../shared/contracts/entities.ts';
import { eventually } from '../../../support/eventually.ts';
import {
  apply,
  create,
  join,
  lead,
  node,
  request,
  type StoreFixture,
  spec,
  startStores,
} from './support/store-fixture.ts';

const open = await startStores({ after });

const running: InstanceStatus = {
  state: 'running',
  health: 'healthy',
  healthyForMs: 10,
  pid: 4_242,
  port: 20_000,
  restarts: 0,
  reason: '',
  drained: false,
  lastExit: null,
  startedAt: 1,
};

let sequence = 0;
function report(...statuses: readonly [id: string, status: Partial<InstanceStatus>][]): Report {
  const instances = statuses.map(([instanceId, status]) => ({ instanceId, status: { ...running, ...status } }));
  return { sequence: ++sequence, planVersion: 1, instances, router: null };
}

async function withInstances(t: Parameters<typeof open>[0]): Promise<StoreFixture> {
  const fixture = await open(t);
  await lead(fixture);
  await join(fixture, node('a', { router: true }), node('b'));
  await fixture.store.services.deploy('web', request(spec('web')));
  await apply(fixture, create('i1', 'web'));
  await apply(fixture, create('i2', 'web', { slot: 1, nodeId: 'node-b' }));
  return fixture;
}

const status = async ({ store }: StoreFixture, id: string) => (await store.instances.get(id))?.status;

test('a report becomes the status, with an event for each change', async (t) => {
  const fixture = await withInstances(t);
  await fixture.store.instances.report('node-a', 's', report(['i1', {}]));
  assert.deepEqual(await status(fixture, 'i1'), running);
  const lastExit = { code: 1, signal: null, at: 1, uptimeMs: 5, reason: 'exit 1', lastLines: ['SECRET=x'] };
  await fixture.store.instances.report('node-a', 's', report(['i1', { restarts: 2, lastExit, health: 'unhealthy' }]));
  assert.deepEqual((await status(fixture, 'i1'))?.lastExit, lastExit);
  const events = (await fixture.store.events.tail(100)).filter(({ instanceId }) => instanceId === 'i1');
  assert.deepEqual(
    events.map(({ type }) => type),
    [
      'instance.assigned',
      'instance.stateChanged',
      'instance.healthChanged',
      'instance.restarted',
      'instance.healthChanged',
    ],
  );
  assert.ok(!JSON.stringify(events).includes('SECRET'), 'no output of a worker in an event');
});

test('states only advance, and a terminal state is the last word', async (t) => {
  const fixture = await withInstances(t);
  const { store } = fixture;
  await store.instances.report('node-a', 's', report(['i1', { state: 'stopping' }]));
  await store.instances.report('node-a', 's', report(['i1', { state: 'running' }]));
  assert.equal((await status(fixture, 'i1'))?.state, 'stopping');
  await store.instances.report('node-a', 's', report(['i1', { state: 'stopped' }]));
  await store.instances.report('node-a', 's', report(['i1', { state: 'failed' }]));
  assert.equal((await status(fixture, 'i1'))?.state, 'stopped');
});

test('an instance that starts over on its host keeps its state and is unhealthy until it serves again', async (t) => {
  const fixture = await withInstances(t);
  await fixture.store.instances.report('node-a', 's', report(['i1', {}]));
  const again = { state: 'starting', health: 'unknown', healthyForMs: 0, pid: 7, restarts: 1 } as const;
  await fixture.store.instances.report('node-a', 's', report(['i1', again]));
  const { state, health, pid, restarts } = (await status(fixture, 'i1'))!;
  assert.deepEqual({ state, health, pid, restarts }, { state: 'running', health: 'unhealthy', pid: 7, restarts: 1 });
  await fixture.store.instances.report('node-a', 's', report(['i1', { pid: 7, restarts: 1 }]));
  assert.equal((await status(fixture, 'i1'))?.health, 'healthy');
});

test('a node speaks for its own instances only, and unknown ones are passed over', async (t) => {
  const fixture = await withInstances(t);
  await fixture.store.instances.report('node-a', 's', report(['i2', {}], ['nobody', {}], ['i1', {}]));
  assert.equal((await status(fixture, 'i2'))?.state, 'assigned');
  assert.equal((await status(fixture, 'i1'))?.state, 'running');
  assert.equal(await fixture.store.instances.get('nobody'), null);
});

test('an older report of the same agent is ignored; an agent that was started anew starts over', async (t) => {
  const fixture = await withInstances(t);
  const { store } = fixture;
  await store.instances.report('node-a', 's', { ...report(['i1', { health: 'healthy' }]), sequence: 7 });
  await store.instances.report('node-a', 's', { ...report(['i1', { health: 'unhealthy' }]), sequence: 6 });
  assert.equal((await status(fixture, 'i1'))?.health, 'healthy');
  await store.instances.report('node-a', 's2', { ...report(['i1', { health: 'unhealthy' }]), sequence: 1 });
  assert.equal((await status(fixture, 'i1'))?.health, 'unhealthy');
});

test('a node that comes back cannot revive a lost instance', async (t) => {
  const fixture = await withInstances(t);
  await apply(fixture, { type: 'loseInstance', instanceId: 'i1', reason: 'node lost' });
  await fixture.store.instances.report('node-a', 's', report(['i1', {}]));
  assert.equal((await status(fixture, 'i1'))?.state, 'lost');
});

test('figures wake nobody, health does', async (t) => {
  const fixture = await withInstances(t);
  const { store } = fixture;
  const kinds: string[] = [];
  store.onWake(({ kind }) => kinds.push(kind));
  await eventually(() => assert.ok(kinds.includes('reconnected')));
  await store.instances.report('node-a', 's', report(['i1', {}]));
  await eventually(() => assert.equal(kinds.filter((kind) => kind === 'report').length, 1));
  await store.instances.report('node-a', 's', report(['i1', { cpu: 0.5, memoryBytes: 9, healthyForMs: 900 }]));
  await store.instances.report('node-a', 's', report(['i1', { health: 'unhealthy' }]));
  await eventually(() => assert.equal(kinds.filter((kind) => kind === 'report').length, 2));
  assert.equal((await status(fixture, 'i1'))?.memoryBytes, undefined);
});

test('what is known of a router stays while its agent says nothing of it', async (t) => {
  const { store } = await withInstances(t);
  const router = { epoch: 3, generation: 'g', busy: [], errors: [], listen: '127.0.0.1:80' };
  await store.instances.report('node-a', 's', { ...report(), router });
  await store.instances.report('node-a', 's', report());
  const [known] = await store.routes.routers();
  assert.deepEqual({ ...known, reportedAt: 0 }, { nodeId: 'node-a', ...router, reportedAt: 0 });
  const { labels, ...facts } = node('a', { router: false });
  await store.nodes.hello('node-a', { ...facts, labels });
  await store.instances.report('node-a', 's', report());
  assert.deepEqual(await store.routes.routers(), []);
});

test('lists are by service or node, in the order of slots', async (t) => {
  const { store } = await withInstances(t);
  const ids = async (filter: { service?: string; nodeId?: string }) =>
    (await store.instances.list(filter)).map(({ id }) => id);
  assert.deepEqual(await ids({}), ['i1', 'i2']);
  assert.deepEqual(await ids({ nodeId: 'node-b' }), ['i2']);
  assert.deepEqual(await ids({ service: 'web', nodeId: 'node-a' }), ['i1']);
  assert.deepEqual(await ids({ service: 'nope' }), []);
});
